/** The moment, on the screen: one timer a tab, corrected by the server's clock. */
import { shallowRef } from 'vue'

export const now = shallowRef(Date.now())
setInterval(() => (now.value = Date.now()), 1_000)
