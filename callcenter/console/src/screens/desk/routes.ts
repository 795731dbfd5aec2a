import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  {
    path: '/desk',
    component: () => import('./DeskScreen.vue'),
    meta: { title: 'common.nav.desk', nav: 10, words: ['desk', 'intake', 'drafts'], roles: ['agent'], homeOf: ['agent'] },
  },
]
