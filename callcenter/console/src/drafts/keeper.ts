/**
 * Words kept sealed on this computer as they are typed, the newest at once and never two writings side by side: a
 * reload a moment after the last key finds all of them.
 */
import { canKeep, forget, keep, readyToKeep } from './sealed'

/** `copy`: what is to be kept as it is now; undefined when nothing is, then what was kept goes. */
export function useKeeper(name: string, copy: () => unknown) {
  let going: Promise<boolean> | undefined
  let newer = false
  // While the server is there; without it nothing could be kept when it goes away.
  if (canKeep()) readyToKeep().catch(() => undefined)

  /** Something was typed, saved or sent. */
  function touched(): void {
    newer = true
    if (canKeep()) going ??= write().finally(() => (going = undefined))
  }

  async function write(): Promise<boolean> {
    let held = true
    while (newer) {
      newer = false
      const words = copy()
      if (words !== undefined) held = await keep(name, words).then(() => true, () => false)
    }
    // Also what was sent while it was being sealed.
    if (copy() === undefined) forget(name)
    return held
  }

  /** When nothing is being written any more: whether the newest words are kept. */
  async function settled(): Promise<boolean> {
    return canKeep() && ((await going) ?? true)
  }

  return { touched, settled }
}
