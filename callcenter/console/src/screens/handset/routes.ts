import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  { path: '/handset', component: () => import('./CitizenHandset.vue'), meta: { bare: true, open: true, title: 'phone.handset.title', words: ['phone'] } },
]
