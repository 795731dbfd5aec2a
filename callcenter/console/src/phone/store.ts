/** The telephone of who is signed in. See `Phone` in ./types for what each member does. */
import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'
import { done, http } from '@/api/http'
import { listen } from '@/api/live'
import { ApiProblem } from '@/api/problem'
import { loadWords, words } from '@/locales/words'
import { failed } from '@/parts/ask'
import { moment } from '@/parts/now'
import { useSession } from '@/session'
import type { Line, Told } from './sip'
import * as audio from './sound'
import { Turn } from './turn'
import type { DeviceKind, LeftCall, Phone, PhoneCall, PhoneState } from './types'

/** Whether this person switched it on here before. */
const WANTED = 'phone.wanted'
/** The name this browser gave itself. */
const BROWSER = 'phone.browser'
const EXPECT_MS = 15_000
/** A call that broke off is looked for again: its end may be on its way. */
const LOOK_AFTER_MS = 800
const ABOUT_THE_LEFT = ['call.ended', 'call.left', 'call.situation', 'call.answered', 'lagged']

function browserName(): string {
  const known = localStorage.getItem(BROWSER) ?? crypto.randomUUID()
  localStorage.setItem(BROWSER, known)
  return known
}

export const usePhone = defineStore('phone', (): Phone => {
  const session = useSession()
  const state = ref<PhoneState>('off')
  const why = ref('')
  const call = shallowRef<PhoneCall | null>(null)
  const left = shallowRef<LeftCall | null>(null)
  const busy = ref(false)
  const flowing = ref(true)
  const possible = ref<boolean | null>(null)
  let line: Line | undefined
  let turn: Turn | undefined
  let microphone: MediaStream | undefined
  let expectedUntil = 0
  let wasReady = false

  function show(next: PhoneState, reason = ''): void {
    state.value = next
    why.value = reason && words(`phone.why.${reason}`)
  }

  function change(changed: Partial<PhoneCall>): void {
    if (call.value !== null) call.value = { ...call.value, ...changed }
  }

  // ---- on and off ----------------------------------------------------------------------------------------------

  /** What this person has: asked once when the page is loaded. Switches on where it was on before. */
  async function prepare(): Promise<void> {
    await loadWords('phone')
    const own = await done(http.GET('/api/phone/call'))
    possible.value = own.softphone
    why.value = own.why
    if (own.softphone && localStorage.getItem(WANTED) === session.me?.login) await start()
  }

  async function start(): Promise<void> {
    if (turn !== undefined && state.value !== 'refused') return
    await loadWords('phone')
    show('connecting')
    try {
      // Now, not when somebody calls, is the moment to hear that there is no microphone.
      audio.release(await audio.microphone())
    } catch (error) {
      return show('refused', `microphone_${(error as audio.NoMicrophone).reason}`)
    }
    localStorage.setItem(WANTED, session.me?.login ?? '')
    void audio.findDevices()
    turn?.end()
    turn = new Turn(`callcenter-phone-${session.me?.extension}`, {
      granted: (taken) => void open(taken),
      waits: () => show('elsewhere', 'other_tab'),
      lost: () => { close(); show('elsewhere', 'other_tab') },
      asked: () => call.value === null,
    })
    await turn.wait()
  }

  async function open(take: boolean): Promise<void> {
    show('connecting')
    try {
      const account = await done(http.GET('/api/phone', { params: { query: { browser: browserName() } } }))
      if (account.elsewhere && !take) return show('elsewhere', 'other_computer')
      const { Line } = await import('./sip')
      close()
      line = new Line({ ...account, socket: `${account.socket}?browser=${browserName()}` }, told)
      line.start()
    } catch (error) {
      state.value = 'refused'
      why.value = error instanceof ApiProblem ? error.detail : words('phone.why.broken')
    }
  }

  function close(): void {
    line?.stop()
    line = undefined
    over()
  }

  async function stop(): Promise<void> {
    localStorage.removeItem(WANTED)
    turn?.end()
    turn = undefined
    close()
    show('off')
  }

  async function takeOver(): Promise<void> {
    if (state.value !== 'elsewhere' || turn === undefined) return
    // This tab's turn, and still elsewhere: it is in use on another computer.
    if (turn.held) return await open(true)
    if (!(await turn.take())) show('elsewhere', 'talks_there')
  }

  const told: Told = {
    registered() {
      show('ready')
      void look(!wasReady)
      wasReady = true
    },
    lost: () => show('lost', 'lost'),
    refused: () => show('refused', 'refused'),
    taken() {
      over()
      show('elsewhere', 'taken')
    },
    ringing,
    talking: () => change({ state: 'talking', answeredAt: moment() }),
    ended(how) {
      over()
      if (how === 'broken') setTimeout(() => void look(true), LOOK_AFTER_MS)
    },
    held: (on) => change({ held: on }),
    flows: (on) => (flowing.value = on),
    heard: (stream) => void audio.hear(stream).catch(failed),
  }

  // ---- a call --------------------------------------------------------------------------------------------------

  function ringing(shown: string): void {
    call.value = { state: 'ringing', shown, rangAt: moment(), answeredAt: null, held: false, muted: false }
    flowing.value = true
    // The exchange itself calls with its number; calls of citizens show none.
    if (shown !== '' && Date.now() < expectedUntil) return void answer()
    void audio.ring()
    notify()
  }

  function notify(): void {
    if (!document.hidden || !('Notification' in window) || Notification.permission !== 'granted') return
    const note = new Notification(words('phone.rings'), { tag: 'callcenter-phone', requireInteraction: true })
    note.onclick = () => { window.focus(); note.close() }
    const done = watch(call, (now) => { if (now?.state !== 'ringing') { note.close(); done() } })
  }

  async function answer(): Promise<void> {
    if (call.value?.state !== 'ringing') return
    audio.stopRinging()
    try {
      microphone = await audio.microphone()
      line?.answer(microphone)
    } catch (error) {
      // The next agent shall have the call; this one shall know why.
      line?.hangUp()
      show('refused', `microphone_${(error as audio.NoMicrophone).reason}`)
    }
  }

  function hangUp(): void {
    line?.hangUp()
  }

  function over(): void {
    audio.stopRinging()
    audio.hearNothing()
    audio.release(microphone)
    microphone = undefined
    call.value = null
    flowing.value = true
  }

  function hold(on: boolean): void {
    if (call.value?.state === 'talking') line?.hold(on)
  }

  function mute(on: boolean): void {
    if (call.value?.state !== 'talking') return
    line?.mute(on)
    change({ muted: on })
  }

  function dtmf(digit: string): void {
    if (call.value?.state === 'talking' && /^[0-9*#]$/.test(digit)) line?.dtmf(digit)
  }

  function expect(withinMs = EXPECT_MS): void {
    expectedUntil = Date.now() + withinMs
  }

  // ---- a call that goes on without this telephone --------------------------------------------------------------

  /** Whether there is one. aside: this page has just begun, so whoever calls hears nothing until now. */
  async function look(aside = false): Promise<void> {
    if (line === undefined || call.value !== null) return void (left.value = null)
    try {
      const own = await done(http.GET('/api/phone/call'))
      left.value = call.value === null && own.call ? { ...own.call, answeredAt: own.call.answered_at } : null
      if (left.value !== null && aside) await done(http.POST('/api/phone/left'))
    } catch (problem) {
      if (!(problem instanceof ApiProblem)) throw problem
    }
  }

  async function rejoin(): Promise<void> {
    if (left.value === null || busy.value) return
    busy.value = true
    expect()
    try {
      await done(http.POST('/api/phone/rejoin', { body: { call: left.value.id } }))
      left.value = null
    } catch (problem) {
      failed(problem)
      await look()
    } finally {
      busy.value = false
    }
  }

  /** The page goes away in a call: the citizen hears music at once, and the next page offers the call back. */
  function leaving(): void {
    if (call.value?.state === 'talking') void fetch('/api/phone/left', { method: 'POST', keepalive: true }).catch(() => undefined)
  }

  addEventListener('pagehide', leaving)
  addEventListener('beforeunload', (event) => { if (call.value !== null) event.preventDefault() })
  for (const kind of ABOUT_THE_LEFT) listen(kind, () => { if (left.value !== null && !busy.value) void look() })
  listen('phone.taken', ({ browser }) => {
    if (line === undefined || state.value === 'elsewhere' || browser === browserName()) return
    close()
    show('elsewhere', 'taken')
  })
  watch(call, (now) => (session.busy = now !== null))

  // ---- devices -------------------------------------------------------------------------------------------------

  async function choose(kind: DeviceKind, id: string): Promise<void> {
    audio.sound.chosen.value = { ...audio.sound.chosen.value, [kind]: id }
    audio.keep()
    if (kind === 'output') await audio.moveEar()
    if (kind === 'input') await speakAnew()
  }

  async function process(on: boolean): Promise<void> {
    audio.sound.processing.value = on
    audio.keep()
    await speakAnew()
  }

  /** The microphone as chosen now, in a call too. */
  async function speakAnew(): Promise<void> {
    if (call.value?.state !== 'talking') return
    try {
      const next = await audio.microphone()
      await line?.speakWith(next)
      audio.release(microphone)
      microphone = next
    } catch (error) {
      why.value = words(`phone.why.microphone_${(error as audio.NoMicrophone).reason}`)
    }
  }

  async function listenToMicrophone(): Promise<() => void> {
    const own = await audio.microphone()
    await audio.findDevices()
    const stopLooking = audio.watchLevel(own)
    return () => {
      stopLooking()
      audio.release(own)
    }
  }

  async function tryRing(): Promise<void> {
    await audio.ring()
    setTimeout(() => { if (call.value?.state !== 'ringing') audio.stopRinging() }, 1_600)
  }

  const { inputs, outputs, chosen, processing, level } = audio.sound
  return {
    state, why, call, left, busy, possible, flowing: computed(() => flowing.value), prepare, start, stop, answer, hangUp, hold, mute,
    dtmf, takeOver, rejoin, expect, inputs, outputs, chosen, choose, processing, process, level, listenToMicrophone, tryRing,
  }
})
