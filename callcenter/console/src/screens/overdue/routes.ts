import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  {
    path: '/overdue',
    component: () => import('./Overdue.vue'),
    meta: {
      title: 'common.nav.overdue', nav: 62, words: ['overdue', 'supervise', 'dispatch'],
      roles: ['supervisor', 'dispatcher', 'reviewer', 'auditor', 'leader'],
    },
  },
]
