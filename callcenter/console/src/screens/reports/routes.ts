import type { RouteRecordRaw } from 'vue-router'
import type { Role } from '@/session'

/** As the API lets them in: who reads everything; units their own; reviewers topics and cases. */
export const READERS: readonly Role[] = ['supervisor', 'auditor', 'leader', 'admin']
export const UNITS: readonly Role[] = ['unit', 'unit_head']
export const WRITERS: readonly Role[] = ['supervisor', 'admin']
export const CHOOSERS: readonly Role[] = ['supervisor', 'reviewer']

export const routes: RouteRecordRaw[] = [
  {
    path: '/reports',
    component: () => import('./Reports.vue'),
    meta: { title: 'common.nav.reports', nav: 84, words: ['reports'], roles: [...READERS, ...UNITS, 'reviewer'] },
  },
  {
    path: '/reports/figures/:metric([a-z0-9_]+)',
    component: () => import('./MetricPage.vue'),
    meta: { title: 'reports.metric.page', words: ['reports'], roles: [...READERS, ...UNITS] },
  },
  {
    path: '/reports/runs/:id(\\d+)',
    component: () => import('./RunPage.vue'),
    meta: { title: 'reports.run.page', words: ['reports'], roles: READERS },
  },
]
