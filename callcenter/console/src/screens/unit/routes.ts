import type { RouteRecordRaw } from 'vue-router'
import type { Role } from '@/session'

const roles: Role[] = ['unit', 'unit_head']
const words = ['unit', 'dispatch', 'attachments']

export const routes: RouteRecordRaw[] = [
  { path: '/unit', component: () => import('./UnitDesk.vue'), meta: { title: 'common.nav.unit', nav: 30, words, roles, homeOf: roles } },
  { path: '/unit/own', component: () => import('./UnitOwn.vue'), meta: { title: 'unit.page.own', words: [...words, 'admin'], roles } },
  { path: '/unit/tickets/:id', component: () => import('./UnitTicket.vue'), meta: { title: 'unit.title', words: [...words, 'approvals', 'citizen_call'], roles } },
]
