/** The telephone in the page, as screens see it (`usePhone()` in `@/phone/store`). */

/**
 * off: this person has none, or has not asked for it; connecting: to the exchange; ready: calls can come; elsewhere:
 * another tab of this browser holds it; lost: the connection broke and is being made again; refused: the microphone
 * or the registration was refused, `why` says what to do.
 */
export type PhoneState = 'off' | 'connecting' | 'ready' | 'elsewhere' | 'lost' | 'refused'

export interface PhoneCall {
  /** ringing: waits for an answer here; talking: both directions flow. */
  state: 'ringing' | 'talking'
  /** Whose number the exchange shows; never the citizen's. */
  shown: string
  /** When it began to ring, when it was answered: epoch milliseconds. */
  rangAt: number
  answeredAt: number | null
  held: boolean
  muted: boolean
}
