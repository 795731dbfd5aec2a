import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  {
    path: '/review',
    component: () => import('./ReviewDesk.vue'),
    meta: {
      title: 'common.nav.review', nav: 50, words: ['review', 'dispatch', 'citizen_call', 'attachments'], homeOf: ['reviewer'], roles: ['reviewer', 'supervisor'],
    },
  },
]
