/** What belongs to a ticket beside its story: calls, files, assists, disputes, meetings, packages, what it is tied to. */
import { shallowRef, watch, type ShallowRef } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { ApiProblem } from '@/api/problem'
import { useSession, type Role } from '@/session'
import type { TicketStory } from '@/tickets/story'

export interface Dossier {
  calls: Schemas['TicketCallRow'][]
  /** Legs and talks of calls, by call. */
  heard: Map<string, Schemas['CallStory']>
  tapes: Map<string, Schemas['RecordingList']>
  packages: Schemas['PackageOut'][]
  meetings: Schemas['NoticeList']['rows']
  assists: Schemas['OrderRow'][]
  disputes: Schemas['DisputeRow'][]
  merged: string[]
  matter: Schemas['MatterOut'] | null
  files: Schemas['AttachmentRow'][]
}

const READS_CALLS: readonly Role[] = ['agent', 'supervisor', 'reviewer', 'auditor']
export const LISTENS: readonly Role[] = [...READS_CALLS, 'unit', 'unit_head']
const CALLS_BACK: readonly Role[] = [...LISTENS, 'dispatcher']
const DESK: readonly Role[] = ['agent', 'dispatcher', 'reviewer', 'supervisor']
const WORK: readonly Role[] = ['dispatcher', 'reviewer', 'supervisor', 'auditor', 'unit', 'unit_head']
const KEEPS: readonly Role[] = ['supervisor', 'auditor']

export function emptyDossier(): Dossier {
  return {
    calls: [], heard: new Map(), tapes: new Map(), packages: [], meetings: [], assists: [], disputes: [], merged: [],
    matter: null, files: [],
  }
}

/** Read with the ticket, and again whenever it has changed. What this person may not see is not asked for. */
export function useDossier(story: ShallowRef<TicketStory | null>) {
  const session = useSession()
  const dossier = shallowRef<Dossier>(emptyDossier())
  const problem = shallowRef<ApiProblem | null>(null)
  let newest = 0

  /** The answer, or `nothing` for who may not ask and where there is nothing to be seen. */
  async function ask<T>(roles: readonly Role[], asked: () => Promise<T>, nothing: T): Promise<T> {
    if (!session.has(...roles)) return nothing
    try {
      return await asked()
    } catch (error) {
      if (error instanceof ApiProblem && [403, 404, 409].includes(error.status)) return nothing
      throw error
    }
  }

  async function load(ticket: TicketStory): Promise<void> {
    const mine = ++newest
    const params = { path: { ticket_id: ticket.id } }
    const matter = ticket.matter
    try {
      const [calls, packages, meetings, assists, disputes, merged, known, files] = await Promise.all([
        ask(CALLS_BACK, async () => (await done(http.GET('/api/tickets/{ticket_id}/calls', { params }))).rows, []),
        ask(KEEPS, async () => (await done(http.GET('/api/tickets/{ticket_id}/packages', { params }))).rows, []),
        ask([...WORK, 'agent', 'leader'], async () => (await done(http.GET('/api/tickets/{ticket_id}/coordination', { params }))).rows, []),
        ask(WORK, async () => (await done(http.GET('/api/tickets/{ticket_id}/assists', { params }))).orders, []),
        ask(WORK, async () => (await done(http.GET('/api/tickets/{ticket_id}/disputes', { params }))).disputes, []),
        ask(DESK, async () => (await done(http.GET('/api/tickets/{ticket_id}/merged', { params }))).tickets, []),
        matter === null ? null : ask([...DESK, 'auditor'], () => done(http.GET('/api/matters/{matter_id}', { params: { path: { matter_id: matter } } })), null),
        ask([...WORK, 'agent', 'leader'], async () => (await done(http.GET('/api/tickets/{ticket_id}/attachments', { params }))).rows, []),
      ])
      const ids = [...new Set([ticket.call, ...calls.map((one) => one.call)].filter((one): one is string => one !== null))]
      const [heard, tapes] = await Promise.all([callsOf(ids), tapesOf(ids)])
      if (mine !== newest) return
      dossier.value = { calls, heard, tapes, packages, meetings, assists, disputes, merged, matter: known, files }
      problem.value = null
    } catch (error) {
      if (mine === newest) problem.value = error as ApiProblem
    }
  }

  async function callsOf(ids: string[]): Promise<Map<string, Schemas['CallStory']>> {
    const found = await Promise.all(ids.map((id) =>
      ask(READS_CALLS, () => done(http.GET('/api/calls/{call_id}', { params: { path: { call_id: id } } })), null)))
    return new Map(ids.flatMap((id, n) => (found[n] ? [[id, found[n]] as const] : [])))
  }

  /** Only calls that this person may hear have an entry. */
  async function tapesOf(ids: string[]): Promise<Map<string, Schemas['RecordingList']>> {
    const found = await Promise.all(ids.map((id) =>
      ask(LISTENS, () => done(http.GET('/api/calls/{call_id}/recordings', { params: { path: { call_id: id } } })), null)))
    return new Map(ids.flatMap((id, n) => (found[n] ? [[id, found[n]] as const] : [])))
  }

  watch(story, (ticket) => void (ticket && load(ticket)), { immediate: true })
  return { dossier, problem, reload: () => (story.value ? load(story.value) : Promise.resolve()) }
}
