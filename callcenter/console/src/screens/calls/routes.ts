import type { RouteRecordRaw } from 'vue-router'
import type { Role } from '@/session'

const roles: Role[] = ['agent', 'supervisor', 'reviewer', 'auditor', 'admin']

export const routes: RouteRecordRaw[] = [
  { path: '/calls', component: () => import('./Calls.vue'), meta: { title: 'common.nav.calls', nav: 64, words: ['calls'], roles } },
  { path: '/calls/:id', component: () => import('./CallPage.vue'), meta: { title: 'calls.page', words: ['calls'], roles } },
]
