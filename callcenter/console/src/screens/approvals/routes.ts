import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  {
    path: '/approvals',
    component: () => import('./ApprovalDesk.vue'),
    meta: { title: 'common.nav.approvals', nav: 40, words: ['approvals', 'dispatch'], roles: ['leader', 'unit_head', 'supervisor'], homeOf: ['leader'] },
  },
]
