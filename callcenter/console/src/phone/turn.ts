/** One tab of a browser holds the telephone; the others know it and may ask for it (Web Locks, BroadcastChannel). */

const ANSWER_WITHIN_MS = 1_500

export interface Wishes {
  /** It is this tab's turn: at once, when the tab that held it is closed, or because it was taken. */
  granted(taken: boolean): void
  /** Another tab holds it. */
  waits(): void
  /** Another tab took it. */
  lost(): void
  /** Another tab asks: give it away (true), or not while somebody talks. */
  asked(): boolean
}

type Message = { wants: string } | { gives: boolean; to: string }

export class Turn {
  private readonly channel: BroadcastChannel
  private readonly aborted = new AbortController()
  private letGo: (() => void) | undefined
  private answered: ((given: boolean) => void) | undefined

  private readonly tab = crypto.randomUUID()

  constructor(private readonly name: string, private readonly wishes: Wishes) {
    this.channel = new BroadcastChannel(name)
    this.channel.onmessage = ({ data }: MessageEvent<Message>) => this.hear(data)
  }

  /** Hold it as soon as nobody else does. */
  async wait(): Promise<void> {
    const free = await navigator.locks.request(this.name, { ifAvailable: true }, (lock) => lock !== null)
    if (!free) this.wishes.waits()
    void this.hold({ signal: this.aborted.signal })
  }

  /** Whether this tab has it. */
  get held(): boolean {
    return this.letGo !== undefined
  }

  /** Take it from the tab that has it; `granted` follows. False: somebody talks there. */
  async take(): Promise<boolean> {
    const given = new Promise<boolean>((resolve) => (this.answered = resolve))
    this.channel.postMessage({ wants: this.tab } satisfies Message)
    // A tab that does not answer is frozen or gone.
    const silence = new Promise<boolean>((resolve) => setTimeout(() => resolve(true), ANSWER_WITHIN_MS))
    if (!(await Promise.race([given, silence]))) return false
    void this.hold({ steal: true })
    return true
  }

  /** For good. */
  end(): void {
    this.aborted.abort()
    this.letGo?.()
    this.channel.close()
  }

  private async hold(options: LockOptions): Promise<void> {
    let mine = false
    try {
      await navigator.locks.request(this.name, options, async () => {
        if (this.letGo !== undefined) return
        mine = true
        const held = new Promise<void>((resolve) => (this.letGo = resolve))
        this.wishes.granted(options.steal === true)
        await held
      })
    } catch {
      // AbortError: this tab has ended, or another one took the lock.
      if (!mine || this.aborted.signal.aborted) return
      this.letGo = undefined
      this.wishes.lost()
      void this.hold({ signal: this.aborted.signal })
    }
  }

  private hear(message: Message): void {
    if ('wants' in message) {
      if (this.letGo === undefined) return
      this.channel.postMessage({ gives: this.wishes.asked(), to: message.wants } satisfies Message)
    } else if (message.to === this.tab) this.answered?.(message.gives)
  }
}
