/** The one door to JsSIP: one registered telephone with at most one call. Loaded when somebody switches it on. */
import { UA } from 'jssip'
import type { DTMF_TRANSPORT } from 'jssip/lib/Constants'
import type { RTCSession } from 'jssip/lib/RTCSession'
import type { RTCSessionEvent } from 'jssip/lib/UA'
import { KeptSocket } from './socket'

export interface Account {
  uri: string
  password: string
  /** Path of the WebSocket. */
  socket: string
}

/** What the line tells. */
export interface Told {
  registered(): void
  /** The connection broke; it is being made again. */
  lost(): void
  /** Asterisk does not take the account. */
  refused(): void
  /** Another page has the telephone now; this one is off. */
  taken(): void
  ringing(shown: string): void
  talking(): void
  /** broken: not by hanging up; the call may go on without this telephone. */
  ended(how: 'over' | 'broken'): void
  held(on: boolean): void
  /** Whether sound flows; it stops with the network and comes back with it. */
  flows(on: boolean): void
  heard(stream: MediaStream): void
}

const TAKEN = 4409
/** Registering again so often bounds how long a call could come to a page that is gone. */
const REGISTER_S = 120
const RECONNECT_AFTER_S = { least: 1, most: 4 }
const AGAIN_MS = 5_000
const RENEW_AFTER_MS = 1_000
const ICE_WITHIN_MS = 400
const SOUND_LOST = 'RTP Timeout'
const OVER = new Set(['Terminated', 'Canceled', 'Rejected', 'Busy', 'No Answer', 'Unavailable', 'Not Found'])

export class Line {
  private readonly ua: UA
  private readonly socket: KeptSocket
  private session: RTCSession | undefined
  private connected = false
  private readonly timers = new Set<ReturnType<typeof setTimeout>>()

  constructor(account: Account, private readonly told: Told) {
    this.socket = new KeptSocket(account.socket)
    this.ua = new UA({
      sockets: [this.socket],
      uri: account.uri,
      password: account.password,
      register_expires: REGISTER_S,
      session_timers: false,
      connection_recovery_min_interval: RECONNECT_AFTER_S.least,
      connection_recovery_max_interval: RECONNECT_AFTER_S.most,
      user_agent: 'callcenter console',
    })
    this.ua.on('connected', () => (this.connected = true))
    this.ua.on('disconnected', ({ code }: { code?: number }) => this.disconnected(code))
    this.ua.on('registered', () => this.registered())
    this.ua.on('registrationFailed', ({ response }) => this.refused(response?.status_code))
    this.ua.on('newRTCSession', (event: RTCSessionEvent) => this.take(event))
  }

  start(): void {
    this.ua.start()
  }

  /** Off: hangs up, unregisters, disconnects. */
  stop(): void {
    this.timers.forEach(clearTimeout)
    this.ua.removeAllListeners()
    // Closed by the other side while JsSIP still unregisters, it would connect again and take the telephone from who has it now.
    this.socket.end()
    this.ua.stop()
  }

  answer(microphone: MediaStream): void {
    this.session?.answer({ mediaStream: microphone, pcConfig: { iceServers: [] } })
  }

  /** Dial; what a citizen's telephone does, ours are rung by the exchange. */
  call(address: string, microphone: MediaStream): void {
    this.session = this.ua.call(address, {
      mediaStream: microphone,
      pcConfig: { iceServers: [] },
      eventHandlers: { peerconnection: ({ peerconnection }) => this.watch(peerconnection) },
    })
    this.follow(this.session)
  }

  hangUp(): void {
    this.session?.terminate()
  }

  hold(on: boolean): void {
    if (on) this.session?.hold()
    else this.session?.unhold()
  }

  mute(on: boolean): void {
    if (on) this.session?.mute({ audio: true })
    else this.session?.unmute({ audio: true })
  }

  dtmf(digit: string): void {
    this.session?.sendDTMF(digit, { transportType: 'RFC2833' as DTMF_TRANSPORT })
  }

  /** Another microphone, in the middle of a call. */
  async speakWith(microphone: MediaStream): Promise<void> {
    const track = microphone.getAudioTracks()[0] ?? null
    const senders = this.session?.connection?.getSenders() ?? []
    const muted = this.session?.isMuted().audio ?? false
    if (track !== null) track.enabled = !muted
    await Promise.all(senders.map((sender) => sender.replaceTrack(track)))
  }

  private disconnected(code?: number): void {
    this.connected = false
    if (code === TAKEN) {
      this.stop()
      this.told.taken()
    } else this.told.lost()
  }

  private registered(): void {
    this.told.registered()
    if (this.session?.isEstablished()) this.renew()
  }

  private refused(status: number | undefined): void {
    // Without an answer the connection broke meanwhile, and registering begins anew with the next one.
    if (status === 403 || status === 404) this.told.refused()
    else this.later(AGAIN_MS, () => this.connected && this.ua.register())
  }

  private take(event: RTCSessionEvent): void {
    const session = event.session as RTCSession
    if (event.originator !== 'remote') return
    if (this.session !== undefined) return session.terminate({ status_code: 486, reason_phrase: 'Busy Here' })
    this.session = session
    this.follow(session)
    const user = session.remote_identity.uri.user
    this.told.ringing(/^[0-9]+$/.test(user ?? '') ? user : '')
  }

  private follow(session: RTCSession): void {
    const gone = (cause: string): void => {
      if (this.session !== session) return
      this.session = undefined
      this.told.ended(OVER.has(cause) ? 'over' : 'broken')
    }
    const end = session.terminate.bind(session)
    // JsSIP hangs up when no sound comes for some seconds; without a network that only loses what could be mended.
    session.terminate = (options) => (options?.cause === SOUND_LOST && !this.connected ? undefined : end(options))
    session.on('confirmed', () => this.told.talking())
    session.on('ended', ({ cause }) => gone(cause))
    session.on('failed', ({ cause }) => gone(cause))
    session.on('hold', ({ originator }) => originator === 'local' && this.told.held(true))
    session.on('unhold', ({ originator }) => originator === 'local' && this.told.held(false))
    session.on('icecandidate', ({ ready }) => this.later(ICE_WITHIN_MS, ready))
    session.on('peerconnection', ({ peerconnection }) => this.watch(peerconnection))
  }

  private watch(connection: RTCPeerConnection): void {
    connection.addEventListener('track', ({ track, streams }) => this.told.heard(streams[0] ?? new MediaStream([track])))
    connection.addEventListener('iceconnectionstatechange', () => {
      const state = connection.iceConnectionState
      if (state === 'connected' || state === 'completed') this.told.flows(true)
      if (state !== 'disconnected') return
      this.told.flows(false)
      this.later(RENEW_AFTER_MS, () => {
        if (this.session?.connection === connection && connection.iceConnectionState === 'disconnected') this.renew()
      })
    })
  }

  /** Find a way for the sound again: from another address perhaps. Fails when Asterisk has no such call any more. */
  private renew(): void {
    const session = this.session
    if (session === undefined || !this.connected || !session.isEstablished()) return
    if (!session.renegotiate({ rtcOfferConstraints: { iceRestart: true } })) this.later(RENEW_AFTER_MS, () => this.renew())
  }

  private later(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      act()
    }, ms)
    this.timers.add(timer)
  }
}
