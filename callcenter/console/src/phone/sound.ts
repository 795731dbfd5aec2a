/** Microphone, ear and bell: devices as the person chose them, remembered in this browser. */
import { ref, shallowRef } from 'vue'
import type { AudioDevice, DeviceKind } from './types'

const KEPT = 'phone.devices'
/** The ringing tone of China's network: 450 Hz, one second on, four off. */
const RING = { hertz: 450, on: 1, off: 4, loudness: 0.25 }

interface Kept {
  chosen: Record<DeviceKind, string>
  processing: boolean
}

export class NoMicrophone extends Error {
  constructor(readonly reason: 'insecure' | 'denied' | 'none' | 'in_use') {
    super(reason)
  }
}

function kept(): Kept {
  const plain: Kept = { chosen: { input: '', output: '', ringer: '' }, processing: true }
  try {
    const found = JSON.parse(localStorage.getItem(KEPT) ?? '{}') as Partial<Kept>
    return { chosen: { ...plain.chosen, ...found.chosen }, processing: found.processing ?? true }
  } catch {
    return plain
  }
}

const inputs = shallowRef<AudioDevice[]>([])
const outputs = shallowRef<AudioDevice[]>([])
const chosen = ref(kept().chosen)
const processing = ref(kept().processing)
const level = ref(0)
export const sound = { inputs, outputs, chosen, processing, level }

const ear = new Audio()
const bell = new Audio()
let tones: AudioContext | undefined
let ringing: { gain: GainNode; source: OscillatorNode; timer: ReturnType<typeof setInterval> } | undefined

/** Remember the choice. */
export function keep(): void {
  localStorage.setItem(KEPT, JSON.stringify({ chosen: chosen.value, processing: processing.value }))
}

/** The chosen microphone, else the system's. Throws NoMicrophone. */
export async function microphone(): Promise<MediaStream> {
  if (!isSecureContext || navigator.mediaDevices === undefined) throw new NoMicrophone('insecure')
  const worked = processing.value
  const work = { echoCancellation: worked, noiseSuppression: worked, autoGainControl: worked }
  const id = chosen.value.input
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { ...work, ...(id ? { deviceId: { ideal: id } } : {}) } })
  } catch (error) {
    throw new NoMicrophone(reasonOf((error as DOMException).name))
  }
}

function reasonOf(name: string): 'denied' | 'none' | 'in_use' {
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'denied'
  return name === 'NotFoundError' || name === 'OverconstrainedError' ? 'none' : 'in_use'
}

/** Give a microphone back; the browser's sign goes out. */
export function release(stream: MediaStream | undefined): void {
  stream?.getTracks().forEach((track) => track.stop())
}

/** Names of the devices; empty ones until the microphone was allowed once. */
export async function findDevices(): Promise<void> {
  const all = (await navigator.mediaDevices?.enumerateDevices()) ?? []
  const named = (kind: MediaDeviceKind): AudioDevice[] =>
    all.filter((one) => one.kind === kind && one.label !== '' && one.deviceId !== 'default').map((one) => ({ id: one.deviceId, name: one.label }))
  inputs.value = named('audioinput')
  outputs.value = named('audiooutput')
}

/** Let the other side be heard. */
export async function hear(stream: MediaStream): Promise<void> {
  ear.srcObject = stream
  await toDevice(ear, chosen.value.output)
  await ear.play()
}

export function hearNothing(): void {
  ear.srcObject = null
}

/** Move what is heard now to the chosen device. */
export async function moveEar(): Promise<void> {
  await toDevice(ear, chosen.value.output)
}

async function toDevice(element: HTMLAudioElement, id: string): Promise<void> {
  // Not every browser can choose; a headset that was unplugged leaves the system's own device.
  if ('setSinkId' in element) await element.setSinkId(id).catch(() => element.setSinkId(''))
}

/** Ring until `stopRinging`. */
export async function ring(): Promise<void> {
  if (ringing !== undefined) return
  tones ??= new AudioContext()
  const [source, gain, out] = [tones.createOscillator(), tones.createGain(), tones.createMediaStreamDestination()]
  source.frequency.value = RING.hertz
  gain.gain.value = 0
  source.connect(gain).connect(out)
  source.start()
  const once = (): void => strike(gain)
  ringing = { gain, source, timer: setInterval(once, (RING.on + RING.off) * 1_000) }
  once()
  bell.srcObject = out.stream
  await toDevice(bell, chosen.value.ringer)
  // Without a click on this page the browser may keep it silent; the screen and the notification ring as well.
  await Promise.all([tones.resume(), bell.play()]).catch(() => undefined)
}

function strike(gain: GainNode): void {
  const at = gain.context.currentTime
  gain.gain.setTargetAtTime(RING.loudness, at, 0.02)
  gain.gain.setTargetAtTime(0, at + RING.on, 0.02)
}

export function stopRinging(): void {
  if (ringing === undefined) return
  clearInterval(ringing.timer)
  ringing.source.stop()
  ringing = undefined
  bell.pause()
  bell.srcObject = null
}

/** Show how loud a microphone is in `level` until the answered function is called. */
export function watchLevel(stream: MediaStream): () => void {
  const context = new AudioContext()
  const analyser = context.createAnalyser()
  analyser.fftSize = 1024
  context.createMediaStreamSource(stream).connect(analyser)
  void context.resume()
  const samples = new Float32Array(analyser.fftSize)
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples)
    const power = samples.reduce((sum, one) => sum + one * one, 0) / samples.length
    // Speech lies between -50 and -10 dB of full scale; that span is the meter.
    level.value = Math.min(1, Math.max(0, (10 * Math.log10(power + 1e-10) + 55) / 45))
  }, 80)
  return () => {
    clearInterval(timer)
    level.value = 0
    void context.close()
  }
}
