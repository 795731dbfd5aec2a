/** A reply as it is being written: which fields it has now, what is still missing, and the contents the API takes. */
import type { Schemas } from '@/api/http'
import { fromField, toField } from '@/actions/dispatch/moments'
import type { Attachment } from '@/parts/attachments'

export type ReplyForm = Schemas['ReplyFormOut']
export type Field = ReplyForm['fields'][number]
type Contents = Schemas['ReplyContents']

/** What a person types; moments and days as their fields hold them, files as refs. */
export interface Reply {
  finished: boolean
  outcome: string
  /** Which group of each `one_of` was chosen. */
  ways: number[]
  texts: Record<string, string>
  flags: Record<string, boolean>
  files: Record<string, string[]>
}

export function emptyReply(form: ReplyForm, who: string): Reply {
  const texts: Record<string, string> = { handling_unit: form.unit_name, handler: who, handled_at: form.today }
  if (form.contacted_at) texts.citizen_contacted_at = toField(new Date(form.contacted_at))
  return { finished: true, outcome: '', ways: form.one_of.map(() => 0), texts, flags: {}, files: {} }
}

/** Why a field is there now: the article that asks for it, or '' where it may stay empty. Fields not asked for at all
 * are left out. */
export function shownFields(form: ReplyForm, reply: Reply): { field: Field; needed: boolean; article: string }[] {
  const asked = new Map<string, string>()
  const outcome = form.outcomes.find((one) => one.code === reply.outcome)
  for (const one of form.fields) if (one.required) asked.set(one.key, one.article)
  for (const key of outcome?.needs ?? []) asked.set(key, asked.get(key) ?? outcome?.article ?? '')
  if (!reply.finished) for (const key of form.unfinished) asked.set(key, form.unfinished_article)
  form.one_of.forEach((one, n) => {
    for (const key of one.groups[reply.ways[n] ?? 0] ?? []) asked.set(key, asked.get(key) ?? one.article)
  })
  const open = new Set(['situation', 'scene', 'attachments', 'citizen_contacted_at', ...(reply.finished ? [] : ['follow_up_by'])])
  return form.fields
    .filter((one) => asked.has(one.key) || open.has(one.key))
    .map((field) => ({ field, needed: asked.has(field.key), article: asked.get(field.key) ?? '' }))
}

export function isFilled(field: Field, reply: Reply): boolean {
  if (field.kind === 'flag') return reply.flags[field.key] === true
  if (field.kind === 'files' || field.kind === 'scene') return (reply.files[field.key] ?? []).length >= Math.max(1, field.least)
  if (field.kind === 'day_hour') return !!reply.texts[field.key] && !!reply.texts[`${field.key}_hour`]
  if (field.kind === 'moment') return fromField(reply.texts[field.key] ?? '') !== undefined
  return !!reply.texts[field.key]?.trim()
}

/** Names of what is still missing. */
export function missing(form: ReplyForm, reply: Reply): string[] {
  return shownFields(form, reply).filter((one) => one.needed && !isFilled(one.field, reply)).map((one) => one.field.label)
}

/** As the API takes it. */
export function contentsOf(form: ReplyForm, reply: Reply, files: readonly Attachment[], place: string): Contents {
  const contents: Record<string, unknown> = { finished: reply.finished, outcome: reply.outcome }
  for (const { field } of shownFields(form, reply)) {
    if (!isFilled(field, reply)) continue
    if (field.key === 'handled_at') {
      contents.handled_on = reply.texts.handled_at
      if (field.kind === 'day_hour') contents.handled_hour = Number(reply.texts.handled_at_hour)
    } else if (field.kind === 'scene') contents.scene = (reply.files.scene ?? []).map((ref) => sceneOf(ref, files, place))
    else if (field.kind === 'files') contents[field.key] = reply.files[field.key]
    else if (field.kind === 'flag') contents[field.key] = true
    else if (field.kind === 'moment') contents[field.key] = fromField(reply.texts[field.key] ?? '')
    else contents[field.key] = (reply.texts[field.key] ?? '').trim()
  }
  return contents as Contents
}

function sceneOf(ref: string, files: readonly Attachment[], place: string) {
  const file = files.find((one) => one.ref === ref)
  return { kind: file?.kind === 'mp4' ? ('video' as const) : ('photo' as const), ref, place: place.slice(0, 500), sha256: file?.sha256 ?? '' }
}
