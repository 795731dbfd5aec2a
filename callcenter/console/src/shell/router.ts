/** Which screen is open: guards for sign-in and roles, texts loaded before the screen shows. */
import { createRouter, createWebHistory, type RouteLocationNormalized, type RouteRecordRaw } from 'vue-router'
import { loadWords, words } from '@/locales/words'
import { useSession, type Role } from '@/session'
import { screens } from './screens'

export const router = createRouter({ history: createWebHistory('/console/'), routes: screens })

router.beforeEach(async (to) => {
  const session = useSession()
  if (session.me === null && !to.meta.open) await session.load()
  const decided = decide(to, session.me)
  if (decided !== true) return decided
  await loadWords(...to.matched.flatMap((one) => one.meta.words ?? []))
  return true
})

router.afterEach((to) => {
  document.title = [to.meta.title ? words(to.meta.title) : '', words('common.title')].filter(Boolean).join(' · ')
})

type Signed = { roles: string[]; must_change_password: boolean } | null

/** Where somebody who wants to go `to` goes. */
function decide(to: RouteLocationNormalized, me: Signed): true | { path: string; query?: Record<string, string> } {
  if (to.meta.open) return true
  if (me === null) return { path: '/sign-in', query: to.path === '/' ? {} : { next: to.fullPath } }
  if (me.must_change_password && to.path !== '/password') return { path: '/password' }
  if (to.path === '/') return { path: homeOf(me.roles as Role[]) }
  return mayOpen(to.meta.roles, me.roles as Role[]) ? true : { path: homeOf(me.roles as Role[]) }
}

/** Whether one of a person's roles is among those a screen is for. */
export function mayOpen(wanted: readonly Role[] | undefined, roles: readonly Role[]): boolean {
  return wanted === undefined || roles.some((role) => wanted.includes(role))
}

/** The first screen of a person. */
export function homeOf(roles: readonly Role[]): string {
  const home = screens.find((one) => one.meta?.homeOf?.some((role) => roles.includes(role)))
  return home?.path ?? navigationFor(roles)[0]?.path ?? '/password'
}

/** Entries of the navigation, in order. */
export function navigationFor(roles: readonly Role[]): RouteRecordRaw[] {
  return screens
    .filter((one) => one.meta?.nav !== undefined && mayOpen(one.meta.roles, roles))
    .sort((a, b) => (a.meta?.nav ?? 0) - (b.meta?.nav ?? 0))
}
