import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  {
    path: '/tickets',
    component: () => import('./TicketList.vue'),
    meta: {
      title: 'common.nav.tickets', nav: 80, words: ['tickets'], homeOf: ['auditor'],
      roles: ['agent', 'dispatcher', 'unit', 'unit_head', 'leader', 'reviewer', 'supervisor', 'auditor'],
    },
  },
]
