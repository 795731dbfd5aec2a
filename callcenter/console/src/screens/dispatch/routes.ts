import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  {
    path: '/dispatch',
    component: () => import('./DispatchDesk.vue'),
    meta: { title: 'common.nav.dispatch', nav: 20, words: ['dispatch'], roles: ['dispatcher', 'supervisor'], homeOf: ['dispatcher'] },
  },
]
