import type { RouteRecordRaw } from 'vue-router'
import { useSession, type Role } from '@/session'

const KEEPERS: readonly Role[] = ['admin']

export const routes: RouteRecordRaw[] = [
  {
    path: '/admin',
    component: () => import('./AdminFrame.vue'),
    meta: {
      title: 'common.nav.admin', nav: 90, words: ['admin', 'drafts'], homeOf: ['admin'],
      roles: ['admin', 'auditor', 'supervisor', 'dispatcher'],
    },
    children: [
      // Not a redirect: that would be asked before it is known who is signed in.
      { path: '', component: () => import('./AdminFrame.vue'), beforeEnter: () => firstTab() },
      { path: 'users', component: () => import('./UserList.vue'), meta: { title: 'admin.tab.users', roles: KEEPERS } },
      { path: 'users/:id', component: () => import('./UserPage.vue'), props: true, meta: { title: 'admin.tab.users', roles: KEEPERS } },
      { path: 'units', component: () => import('./UnitsPage.vue'), meta: { title: 'admin.tab.units', roles: ['admin', 'dispatcher'] } },
      { path: 'filings', component: () => import('./FilingsPage.vue'), meta: { title: 'admin.tab.filings', roles: ['admin', 'dispatcher', 'supervisor'] } },
      { path: 'catalogue', component: () => import('./CataloguePage.vue'), meta: { title: 'admin.tab.catalogue', roles: ['admin', 'dispatcher'] } },
      { path: 'calendars', component: () => import('./CalendarPage.vue'), meta: { title: 'admin.tab.calendars', roles: KEEPERS } },
      { path: 'menus', component: () => import('./MenusPage.vue'), meta: { title: 'admin.tab.menus', roles: ['admin', 'supervisor'] } },
      { path: 'sms', component: () => import('./SmsPage.vue'), meta: { title: 'admin.tab.sms', roles: ['admin', 'supervisor'] } },
      { path: 'models', component: () => import('./ModelsPage.vue'), meta: { title: 'admin.tab.models', roles: KEEPERS } },
      { path: 'system', component: () => import('./SystemPage.vue'), meta: { title: 'admin.tab.system', roles: ['admin', 'auditor'] } },
    ],
  },
]

/** Pages with a tab of their own, in order. */
export const tabs = (routes[0]?.children ?? []).filter((one) => one.meta?.title !== undefined && !one.path.includes(':'))

function firstTab(): string {
  const session = useSession()
  const mine = tabs.find((one) => session.has(...((one.meta?.roles ?? []) as Role[])))
  return mine === undefined ? '/password' : `/admin/${mine.path}`
}
