/** A WebSocket for SIP that knows when it is dead: a cut cable says nothing, so it asks (RFC 5626, 3.5.1). */

const PING = '\r\n\r\n'
const PING_EVERY_MS = 5_000
const ANSWER_WITHIN_MS = 4_000
const OPEN_WITHIN_MS = 6_000
/** As the browser calls a connection that ended without a word (RFC 6455, 7.1.5). */
const ABNORMAL = 1006

/** What JsSIP takes as a socket; it sets the three handlers. */
export class KeptSocket {
  readonly url: string
  readonly sip_uri: string
  via_transport: string
  onconnect = (): void => undefined
  ondisconnect = (_error: boolean, _code?: number, _reason?: string): void => undefined
  ondata = <T>(_data: T): void => undefined
  private socket: WebSocket | undefined
  private timers: ReturnType<typeof setTimeout>[] = []
  private ended = false
  private readonly offline = (): void => this.drop('offline')

  constructor(path: string) {
    const secure = location.protocol === 'https:'
    this.url = `${secure ? 'wss' : 'ws'}://${location.host}${path}`
    this.sip_uri = `sip:${location.host};transport=ws`
    this.via_transport = secure ? 'WSS' : 'WS'
  }

  connect(): void {
    this.forget()
    if (this.ended) return
    const opened = new WebSocket(this.url, 'sip')
    this.socket = opened
    opened.onopen = () => {
      this.quiet()
      this.timers.push(setInterval(() => this.ping(), PING_EVERY_MS))
      this.onconnect()
    }
    opened.onmessage = ({ data }: MessageEvent<string>) => {
      this.quiet('answer')
      this.ondata(data)
    }
    opened.onclose = ({ wasClean, code, reason }) => {
      this.forget()
      this.ondisconnect(!wasClean, code, reason)
    }
    // Opening through a dead network hangs for minutes.
    this.timers.push(setTimeout(() => this.drop('silent'), OPEN_WITHIN_MS))
    addEventListener('offline', this.offline)
  }

  disconnect(): void {
    this.forget()
  }

  /** Nothing is opened any more; what is open lasts for a last word. */
  end(): void {
    this.ended = true
  }

  send(message: string | ArrayBufferLike | Blob | ArrayBufferView): boolean {
    if (!this.isConnected()) return false
    this.socket?.send(message)
    return true
  }

  isConnected(): boolean {
    return this.socket?.readyState === WebSocket.OPEN
  }

  isConnecting(): boolean {
    return this.socket?.readyState === WebSocket.CONNECTING
  }

  private waiting: ReturnType<typeof setTimeout> | undefined

  private ping(): void {
    if (!this.send(PING) || this.waiting !== undefined) return
    this.waiting = setTimeout(() => this.drop('silent'), ANSWER_WITHIN_MS)
  }

  /** Stop waiting: for the answer to a ping, or for everything. */
  private quiet(what: 'answer' | 'all' = 'all'): void {
    clearTimeout(this.waiting)
    this.waiting = undefined
    if (what === 'answer') return
    this.timers.forEach(clearTimeout)
    this.timers = []
  }

  private drop(reason: string): void {
    this.forget()
    this.ondisconnect(true, ABNORMAL, reason)
  }

  private forget(): void {
    this.quiet()
    removeEventListener('offline', this.offline)
    const old = this.socket
    this.socket = undefined
    if (old === undefined) return
    old.onopen = old.onclose = old.onmessage = null
    old.close()
  }
}
