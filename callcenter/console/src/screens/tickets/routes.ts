import type { RouteRecordRaw } from 'vue-router'
import type { Role } from '@/session'

const readers: readonly Role[] = ['agent', 'dispatcher', 'unit', 'unit_head', 'leader', 'reviewer', 'supervisor', 'auditor']

export const routes: RouteRecordRaw[] = [
  {
    path: '/tickets',
    component: () => import('./TicketList.vue'),
    meta: { title: 'common.nav.tickets', nav: 80, words: ['tickets'], homeOf: ['auditor'], roles: readers },
  },
  {
    path: '/tickets/:id(\\d{14})',
    component: () => import('./TicketPage.vue'),
    meta: { title: 'tickets.page', words: ['tickets', 'attachments'], roles: readers },
  },
  {
    path: '/tickets/:id(\\d{14})/print',
    component: () => import('./TicketPrint.vue'),
    meta: { title: 'tickets.print.title', words: ['tickets'], roles: ['dispatcher', 'reviewer', 'supervisor', 'auditor'] },
  },
]
