/** The telephone in the page, as screens see it (`usePhone()` in `@/phone/store`). */
import type { Ref } from 'vue'

/**
 * off: this person has none, or has not asked for it; connecting: to the exchange; ready: calls can come; elsewhere:
 * another tab or computer holds it; lost: the connection broke and is being made again; refused: the microphone
 * or the registration was refused. `why` says what it is and what to do.
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

/** A call of this person that goes on although no telephone here has it: after a reload, a crash, a lost network. */
export interface LeftCall {
  /** Its id in the API. */
  id: string
  /** Masked. */
  caller: string
  /** As in `call.situation`: talking, consulting, three_party. */
  situation: string
  answeredAt: string
}

export interface AudioDevice {
  /** '' is the system's own choice. */
  id: string
  name: string
}

export type DeviceKind = 'input' | 'output' | 'ringer'

/** What `usePhone()` offers besides being a pinia store (there the refs are read without `.value`). */
export interface Phone {
  state: Ref<PhoneState>
  why: Ref<string>
  call: Ref<PhoneCall | null>
  /** Offered back with `rejoin()`. */
  left: Ref<LeftCall | null>
  /** A command of the telephone itself is under way. */
  busy: Ref<boolean>
  /** Whether this person's telephone is a browser at all; null while nobody knows. */
  possible: Ref<boolean | null>
  /** Whether sound flows in the call; false while the network is away. */
  flowing: Ref<boolean>
  /** Called once by the frame. */
  prepare(): Promise<void>
  /** Switch it on: asks for the microphone, connects, registers. Later pages of this person switch it on themselves. */
  start(): Promise<void>
  /** Switch it off and stay so: calls do not come here any more. */
  stop(): Promise<void>
  answer(): Promise<void>
  /** Ends this telephone's leg; declines while it rings. */
  hangUp(): void
  hold(on: boolean): void
  mute(on: boolean): void
  /** One of 0-9 * #. */
  dtmf(digit: string): void
  /** Take it from the other tab or computer. */
  takeOver(): Promise<void>
  /** Take the call `left` back to this telephone. */
  rejoin(): Promise<void>
  /** The page has just asked the platform to ring this telephone (call-back, listen in): the next ring is answered by itself. */
  expect(withinMs?: number): void
  inputs: Ref<AudioDevice[]>
  outputs: Ref<AudioDevice[]>
  chosen: Ref<Record<DeviceKind, string>>
  choose(kind: DeviceKind, id: string): Promise<void>
  /** Echo, noise and level are worked on by the browser; off for a headset that does it itself. */
  processing: Ref<boolean>
  process(on: boolean): Promise<void>
  /** Loudness of the microphone, 0 to 1, while `listenToMicrophone` runs. */
  level: Ref<number>
  /** Show `level` until the answered function is called. */
  listenToMicrophone(): Promise<() => void>
  /** One ring on the chosen ring device. */
  tryRing(): Promise<void>
}
