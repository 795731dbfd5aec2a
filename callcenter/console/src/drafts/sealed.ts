/**
 * Words that are not on the server yet, kept on this computer so that a crash or a lost network loses nothing.
 * AES-256-GCM under a key the server gives to the signed-in person only: on a shared computer the next person, and
 * whoever reads its disk, sees nothing. What is kept under one name does not open under another.
 */
import { done, http } from '@/api/http'
import { useSession } from '@/session'

const PREFIX = 'cc-draft'
/** Left by people who do not come back to this computer. */
const KEPT_MS = 14 * 86_400_000

interface Box {
  at: number
  iv: string
  data: string
}

let key: Promise<CryptoKey> | undefined

/** Web Crypto is there over HTTPS and on the computer itself only. */
export function canKeep(): boolean {
  return globalThis.crypto?.subtle !== undefined
}

/** Ask for the key while the server is there; it stays in memory and cannot be read out of it. */
export function readyToKeep(): Promise<CryptoKey> {
  key ??= done(http.GET('/api/draft-key')).then(
    (told) => crypto.subtle.importKey('raw', bytes(told.key), 'AES-GCM', false, ['encrypt', 'decrypt']),
  )
  key.catch(() => (key = undefined))
  return key
}

/** Keep `value` under this name, in place of what was kept there. */
export async function keep(name: string, value: unknown): Promise<void> {
  const full = nameOf(name)
  const iv = crypto.getRandomValues(new Uint8Array(12))
  const plain = new TextEncoder().encode(JSON.stringify(value))
  const data = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: utf8(full) }, await readyToKeep(), plain)
  const box: Box = { at: Date.now(), iv: text(iv), data: text(new Uint8Array(data)) }
  localStorage.setItem(full, JSON.stringify(box))
}

/** What is kept under this name; null when nothing is, or what is does not open. */
export async function kept<T>(name: string): Promise<T | null> {
  const full = nameOf(name)
  const raw = localStorage.getItem(full)
  if (raw === null || !canKeep()) return null
  try {
    const box = JSON.parse(raw) as Box
    const how = { name: 'AES-GCM', iv: bytes(box.iv), additionalData: utf8(full) }
    const plain = await crypto.subtle.decrypt(how, await readyToKeep(), bytes(box.data))
    return JSON.parse(new TextDecoder().decode(plain)) as T
  } catch (error) {
    // Broken, or sealed with a key that is gone: nobody can read it any more. Without the server it may still open.
    if (error instanceof DOMException || error instanceof SyntaxError) localStorage.removeItem(full)
    return null
  }
}

/** The server has it. */
export function forget(name: string): void {
  localStorage.removeItem(nameOf(name))
}

/** Names of everything this person has kept here; what is too old, of whomever, goes. */
export function keptNames(): string[] {
  const mine = nameOf('')
  const found: string[] = []
  for (const full of Object.keys(localStorage).filter((one) => one.startsWith(`${PREFIX}:`))) {
    if (ageOf(full) > KEPT_MS) localStorage.removeItem(full)
    else if (full.startsWith(mine)) found.push(full.slice(mine.length))
  }
  return found
}

function ageOf(full: string): number {
  try {
    return Date.now() - (JSON.parse(localStorage.getItem(full) ?? '') as Box).at
  } catch {
    return Infinity
  }
}

function nameOf(name: string): string {
  return `${PREFIX}:${useSession().me?.login ?? ''}:${name}`
}

function utf8(plain: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(plain)
}

function bytes(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))
}

function text(raw: Uint8Array): string {
  return btoa(Array.from(raw, (byte) => String.fromCharCode(byte)).join(''))
}
