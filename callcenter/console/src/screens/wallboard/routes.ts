import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  {
    path: '/wallboard',
    component: () => import('./Wallboard.vue'),
    meta: { title: 'common.nav.wallboard', nav: 60, words: ['wallboard', 'calls'], roles: ['supervisor', 'admin'], homeOf: ['supervisor'] },
  },
  {
    // A screen on a wall has a key of its own and nobody signed in.
    path: '/wallboard/big',
    component: () => import('./BigScreen.vue'),
    meta: { title: 'common.nav.wallboard', words: ['wallboard'], bare: true, open: true },
  },
]
