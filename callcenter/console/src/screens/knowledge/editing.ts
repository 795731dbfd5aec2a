/** What an editor holds of one item, flat, so that two people's versions can be compared field by field. */
import type { Schemas } from '@/api/http'
import type { Values } from '@/drafts/values'
import { words } from '@/locales/words'
import { thisDay } from '@/parts/now'
import { contentsOf, newestOf, type Story } from './contents'
import type { Template } from './words'

export type Repeated = 'questions' | 'examples' | 'pictures'
export type Row = Record<string, string>

/** Parts of one row of each kind, in their order. */
export const ROWS: Record<Repeated, readonly string[]> = {
  questions: ['question', 'answer'],
  examples: ['case', 'outcome'],
  pictures: ['reference', 'caption'],
}
export const REPEATED = Object.keys(ROWS) as Repeated[]
/** As the forms of a regulation are called. */
export const FORM_OF: Record<Repeated, string> = { questions: 'qa', examples: 'example', pictures: 'image_text' }
const PART = 'part.'

export interface Typed {
  unit: string
  accountable: string
  template: string
  title: string
  keywords: string[]
  valid_from: string
  valid_until: string
  trigger: string
  note: string
  text: string
  part: Record<string, string | boolean>
  questions: Row[]
  examples: Row[]
  pictures: Row[]
}

export function emptyItem(unit: string, trigger = 'routine'): Typed {
  return {
    unit, accountable: '', template: 'general', title: '', keywords: [], valid_from: thisDay(), valid_until: '', trigger, note: '', text: '',
    part: {}, questions: [], examples: [], pictures: [],
  }
}

/** The newest version as a form; why it is changed is asked anew unless it is still being written. */
export function typedOf(story: Story): Typed {
  const version = newestOf(story)
  const contents = contentsOf(version)
  const again = story.state === 'draft'
  return {
    unit: story.unit, accountable: story.accountable, template: version.template, title: version.title, keywords: [...version.keywords],
    valid_from: version.valid_from, valid_until: version.valid_until ?? '', trigger: again ? version.trigger : 'routine', note: again ? version.note : '',
    text: contents.text, part: { ...contents.part }, questions: contents.questions.map(copied), examples: contents.examples.map(copied),
    pictures: contents.pictures.map(copied),
  }
}

function copied(row: object): Row {
  return { ...row } as Row
}

/** As `values` compares it: one value a field, a row of a list as its text. */
export function valuesOf(typed: Typed): Values {
  const { part, keywords, questions, examples, pictures, unit: _unit, ...plain } = typed
  return {
    ...plain, keywords: keywords.join(' '), ...Object.fromEntries(Object.entries(part).map(([name, value]) => [PART + name, value])),
    questions: questions.map((one) => JSON.stringify(one)), examples: examples.map((one) => JSON.stringify(one)), pictures: pictures.map((one) => JSON.stringify(one)),
  }
}

/** Back into the form. */
export function fill(typed: Typed, values: Values): void {
  const { keywords, questions, examples, pictures, ...plain } = values
  for (const [name, value] of Object.entries(plain)) {
    if (name.startsWith(PART)) typed.part[name.slice(PART.length)] = value as string | boolean
    else Object.assign(typed, { [name]: value })
  }
  typed.keywords = keywordsOf(String(keywords ?? ''))
  const rows = (list: unknown): Row[] => ((list as string[] | undefined) ?? []).map((one) => JSON.parse(one) as Row)
  Object.assign(typed, { questions: rows(questions), examples: rows(examples), pictures: rows(pictures) })
}

export function keywordsOf(text: string): string[] {
  return [...new Set(text.split(/[\s,，、;；]+/).filter(Boolean))]
}

/** As a person reads one value in a comparison. */
export function shown(name: string, value: unknown): string {
  if (typeof value === 'boolean') return words(value ? 'common.yes' : 'common.no')
  if (!Array.isArray(value)) return String(value ?? '')
  const parts = ROWS[name as Repeated] ?? []
  return value.map((one) => parts.map((part) => (JSON.parse(String(one)) as Row)[part] ?? '').join('\n')).join('\n\n')
}

/** What the API takes. Fields of another template, left from before, are not sent. */
export function draftOf(typed: Typed, template: Template | undefined): Schemas['DraftIn'] {
  const own = (template?.fields ?? []).map((one) => [one.name, one.kind === 'yes_no' ? typed.part[one.name] === true : String(typed.part[one.name] ?? '')] as const)
  return {
    title: typed.title.trim(), keywords: typed.keywords, valid_from: typed.valid_from, valid_until: typed.valid_until || null,
    trigger: typed.trigger as Schemas['DraftIn']['trigger'], note: typed.note,
    contents: {
      template: typed.template as Schemas['ContentsIn']['template'], text: typed.text, part: own.length ? (Object.fromEntries(own) as Schemas['PartIn']) : null,
      questions: typed.questions as never, examples: typed.examples as never, pictures: typed.pictures as never,
    },
  } as Schemas['DraftIn']
}

/** Characters as the API counts them, nearly: the text, its fields and rows, the title, the keywords. */
export function lengthOf(typed: Typed): number {
  const rows = REPEATED.flatMap((list) => typed[list].flatMap((row) => Object.values(row)))
  const all = [typed.text, typed.title, ...typed.keywords, ...Object.values(typed.part).filter((one) => typeof one === 'string'), ...rows]
  return all.reduce((sum, one) => sum + String(one).length, 0)
}
