import type { RouteRecordRaw } from 'vue-router'
import type { Role } from '@/session'

const keepers: readonly Role[] = ['supervisor', 'auditor']

/** Places of custody, in the order of their tabs; `roles` as the API lets them in. */
export const routes: RouteRecordRaw[] = [
  { path: '/audit', component: () => import('./AuditLog.vue'), meta: { title: 'common.nav.audit', nav: 92, words: ['audit'], roles: ['auditor'] } },
  { path: '/custody', component: () => import('./Findings.vue'), meta: { title: 'common.nav.custody', nav: 90.5, words: ['audit'], roles: ['supervisor', 'auditor', 'admin'] } },
  { path: '/custody/holds', component: () => import('./Holds.vue'), meta: { title: 'audit.tab.holds', words: ['audit'], roles: ['supervisor', 'auditor', 'admin'] } },
  { path: '/custody/certificates', component: () => import('./Certificates.vue'), meta: { title: 'audit.tab.certificates', words: ['audit'], roles: ['supervisor', 'auditor', 'admin'] } },
  { path: '/custody/releases', component: () => import('./Releases.vue'), meta: { title: 'common.nav.releases', nav: 90.7, words: ['audit'], roles: ['supervisor', 'reviewer', 'auditor'] } },
  { path: '/archive', component: () => import('./ArchivePackages.vue'), meta: { title: 'audit.tab.packages', words: ['audit'], roles: keepers } },
  { path: '/archive/weeks', component: () => import('./ArchiveWeeks.vue'), meta: { title: 'audit.tab.weeks', words: ['audit'], roles: keepers } },
]
