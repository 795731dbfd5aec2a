/** Every screen: its address, who may open it, which texts it needs. A screen's code is fetched when it is opened. */
import type { Component } from 'vue'
import type { RouteRecordRaw } from 'vue-router'
import type { Role } from '@/session'

declare module 'vue-router' {
  interface RouteMeta {
    /** Any of these; left out: everybody who is signed in. */
    roles?: readonly Role[]
    /** Areas of texts besides `common`. */
    words?: readonly string[]
    /** Key of the title. */
    title?: string
    /** Place in the navigation; left out: reached from elsewhere. */
    nav?: number
    /** Without frame and navigation: sign-in, the big screen. */
    bare?: boolean
    /** Open to everybody. */
    open?: boolean
    /** Opened after sign-in by who has this role; the first that fits. */
    homeOf?: readonly Role[]
  }
}

type Screen = () => Promise<{ default: Component }>

const modules = import.meta.glob<{ routes: RouteRecordRaw[] }>('../screens/*/routes.ts', { eager: true })

const shell: RouteRecordRaw[] = [
  { path: '/sign-in', component: (() => import('./SignIn.vue')) as Screen, meta: { bare: true, open: true, title: 'common.sign_in.title' } },
  { path: '/password', component: (() => import('./NewPassword.vue')) as Screen, meta: { title: 'common.sign_in.new_title' } },
  { path: '/:rest(.*)*', component: (() => import('./NotFound.vue')) as Screen, meta: { title: 'common.not_found.title' } },
]

export const screens: RouteRecordRaw[] = [...Object.values(modules).flatMap((one) => one.routes), ...shell]
