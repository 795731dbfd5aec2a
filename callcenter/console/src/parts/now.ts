/** The moment, on the screen: one timer a tab, by the server's clock. This computer's may be wrong by minutes. */
import { shallowRef } from 'vue'
import { localDay } from './time'

/** RFC 9110, 5.6.7: the server says whole seconds. */
const SAYS_MS = 1_000
/** How far the server's clock is ahead of this computer's: somewhere between these, in milliseconds. */
let [least, most] = [-Infinity, Infinity]
let ahead = 0

/** The moment by the server's clock, in milliseconds since 1970. */
export const moment = (): number => Date.now() + ahead
/** The local calendar day it is by the server's clock. */
export const thisDay = (): string => localDay(new Date(moment()))
export const now = shallowRef(moment())
setInterval(() => (now.value = moment()), 1_000)

/**
 * What a server said at some time between `asked` and `answered` (by this computer's clock), the `Date` of its answer.
 * Each answer narrows it down, the quickest most; one that contradicts them means that a clock was set.
 */
export function hear(asked: number, answered: number, date: string | null): void {
  const said = Date.parse(date ?? '')
  if (Number.isNaN(said) || answered < asked) return
  const [low, high] = [said - answered, said + SAYS_MS - asked]
  const agrees = low < most && high > least
  ;[least, most] = agrees ? [Math.max(least, low), Math.min(most, high)] : [low, high]
  ahead = (least + most) / 2
  now.value = moment()
}
