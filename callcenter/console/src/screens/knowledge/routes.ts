import type { RouteRecordRaw } from 'vue-router'
import type { Role } from '@/session'

/** As the API lets them in. */
export const READERS: readonly Role[] = ['agent', 'dispatcher', 'unit', 'unit_head', 'leader', 'reviewer', 'supervisor', 'auditor']
export const WRITERS: readonly Role[] = ['unit', 'unit_head']
export const EDITORS: readonly Role[] = ['reviewer', 'supervisor']
export const AUTHORS: readonly Role[] = [...WRITERS, ...EDITORS]
export const ASKERS: readonly Role[] = ['agent', 'dispatcher', ...EDITORS]
export const SEE_USES: readonly Role[] = [...EDITORS, 'auditor']
/** The question's words are whole for who may see numbers; a unit sees and answers its own. */
const CONCERNED: readonly Role[] = [...ASKERS, 'auditor', ...WRITERS]
const JUDGES: readonly Role[] = [...EDITORS, 'auditor', 'leader']
const words = ['knowledge', 'drafts']

/** Tabs first, in their order, then what is opened from them. */
export const routes: RouteRecordRaw[] = [
  { path: '/knowledge', component: () => import('./SearchPage.vue'), meta: { title: 'common.nav.knowledge', nav: 82, words, roles: READERS } },
  { path: '/knowledge/work', component: () => import('./WorkPage.vue'), meta: { title: 'knowledge.tab.work', words, roles: AUTHORS } },
  { path: '/knowledge/waiting', component: () => import('./WaitingPage.vue'), meta: { title: 'knowledge.tab.waiting', words, roles: EDITORS } },
  { path: '/knowledge/questions', component: () => import('./QuestionsPage.vue'), meta: { title: 'knowledge.tab.questions', words, roles: CONCERNED } },
  { path: '/knowledge/upkeep', component: () => import('./UpkeepPage.vue'), meta: { title: 'knowledge.tab.upkeep', words, roles: JUDGES } },
  { path: '/knowledge/files', component: () => import('./FilesPage.vue'), meta: { title: 'knowledge.tab.files', words, roles: READERS } },
  { path: '/knowledge/new', component: () => import('./EditorPage.vue'), meta: { title: 'knowledge.editor.new', words, roles: AUTHORS } },
  { path: '/knowledge/items/:id(\\d+)', component: () => import('./ItemPage.vue'), props: true, meta: { title: 'knowledge.item.title', words, roles: READERS } },
  { path: '/knowledge/items/:id(\\d+)/edit', component: () => import('./EditorPage.vue'), props: true, meta: { title: 'knowledge.editor.revise', words, roles: AUTHORS } },
  { path: '/knowledge/items/:id(\\d+)/review', component: () => import('./ReviewPage.vue'), props: true, meta: { title: 'knowledge.review.title', words, roles: EDITORS } },
]
