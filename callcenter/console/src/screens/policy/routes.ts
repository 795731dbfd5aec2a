import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  {
    path: '/policy',
    component: () => import('./PolicyDesk.vue'),
    meta: { title: 'common.nav.policy', nav: 86, words: ['policy'] },
  },
]
