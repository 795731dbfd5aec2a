/** Who is signed in, and signing in again in place when a session has ended. */
import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { done, http, whenSignedOut, type Schemas } from '@/api/http'
import { startLive, stopLive } from '@/api/live'
import { ApiProblem } from '@/api/problem'

export type Me = Schemas['Me']
export type Role = 'agent' | 'dispatcher' | 'unit' | 'unit_head' | 'leader' | 'reviewer' | 'supervisor' | 'auditor' | 'admin'

/** People who are at work use the API anyway; a long telephone call does not, and must not sign its agent out. */
const KEEP_EVERY_MS = 4 * 60_000
const ACTIVE_WITHIN_MS = 10 * 60_000

export const useSession = defineStore('session', () => {
  const me = shallowRef<Me | null>(null)
  const ended = ref(false)
  const busy = ref(false)
  let asked: Promise<boolean> | undefined
  let answer: ((same: boolean) => void) | undefined
  let lastActive = Date.now()

  const roles = computed(() => new Set((me.value?.roles ?? []) as Role[]))

  /** Whether who is signed in has one of these roles. */
  function has(...wanted: Role[]): boolean {
    return wanted.some((role) => roles.value.has(role))
  }

  /** Read who is signed in; null when nobody is. Throws ApiProblem when the server is away. */
  async function load(): Promise<Me | null> {
    try {
      keep(await done(http.GET('/api/me')))
    } catch (problem) {
      if (!(problem instanceof ApiProblem) || problem.status !== 401) throw problem
      me.value = null
    }
    return me.value
  }

  /** Sign in. Throws ApiProblem with the sentence to show. */
  async function signIn(login: string, password: string): Promise<void> {
    const before = me.value?.login
    await done(http.POST('/api/login', { body: { login, password } }))
    keep(await done(http.GET('/api/me')))
    if (answer !== undefined) {
      const same = before === undefined || before === login
      ended.value = false
      answer(same)
      asked = answer = undefined
      if (!same) location.assign('/console/')
    }
  }

  function keep(found: Me): void {
    me.value = found
    if (!found.must_change_password) startLive()
  }

  /** Sign out; the page begins anew, so that nothing of this person stays in memory. */
  async function signOut(): Promise<void> {
    stopLive()
    await done(http.POST('/api/logout')).catch(() => undefined)
    location.assign('/console/sign-in')
  }

  whenSignedOut(() => {
    if (me.value === null) return Promise.resolve(false)
    ended.value = true
    asked ??= new Promise<boolean>((resolve) => (answer = resolve))
    return asked
  })

  /** Call once: somebody who moves, types or talks keeps the session. */
  function watchActivity(): void {
    const active = (): void => void (lastActive = Date.now())
    for (const kind of ['keydown', 'pointerdown', 'wheel']) addEventListener(kind, active, { passive: true })
    setInterval(() => {
      const inUse = busy.value || Date.now() - lastActive < ACTIVE_WITHIN_MS
      if (me.value !== null && !ended.value && inUse) void http.GET('/api/me').catch(() => undefined)
    }, KEEP_EVERY_MS)
  }

  return { me, ended, busy, roles, has, load, signIn, signOut, watchActivity }
})
