/** A menu drawn: questions, queues and ends as boxes in rows, what leads where as curves between them. PURE. */
import type { Schemas } from '@/api/http'

export type Menu = Schemas['OneMenu']
export type MenuStep = Schemas['MenuStep']
type Target = Schemas['MenuTarget']

export interface Box {
  id: string
  /** Ends that are drawn as this one: call-backs for several reasons. */
  also: string[]
  kind: 'start' | 'step' | 'queue' | 'callback' | 'message' | 'hang-up' | 'wait'
  /** Of the step, queue, prompt or reason. */
  name: string
  lines: string[]
  row: number
  x: number
  y: number
  height: number
}

export interface Curve {
  id: string
  from: string
  to: string
  /** Keys, in their order; `timeout` is silence. */
  keys: string[]
  /** Only while the emergency announcement is on, when a queue is closed, when it is full. */
  when: '' | 'surge' | 'closed' | 'full' | 'reason'
  path: string
  x: number
  y: number
}

export interface Drawing {
  boxes: Box[]
  curves: Curve[]
  width: number
  height: number
}

export const BOX_WIDTH = 186
const [GAP_X, GAP_Y, PAD, LINE, HEAD] = [34, 58, 12, 17, 30]
const IN_LINE = 13
const MOST_LINES = 4

interface Edge {
  from: string
  to: string
  keys: string[]
  when: Curve['when']
}

/** Lines of at most IN_LINE Chinese characters; a word or a time is not cut, and no line begins with a comma. */
function wrapped(text: string): string[] {
  const lines: string[] = []
  let width = IN_LINE + 1
  for (const part of text.match(/(?:[!-~]+|.)[，。、；：！？）]*/gu) ?? []) {
    const wide = [...part].reduce((sum, char) => sum + (char > 'ÿ' ? 1 : 0.55), 0)
    if (width + wide > IN_LINE) {
      lines.push('')
      width = 0
    }
    lines[lines.length - 1] += part
    width += wide
  }
  return lines.length > MOST_LINES ? [...lines.slice(0, MOST_LINES - 1), `${lines[MOST_LINES - 1]?.slice(0, IN_LINE - 1)}…`] : lines
}

const idOf = (target: Target): string => (target.kind === 'again' ? '' : target.kind === 'hang-up' || target.kind === 'wait' ? target.kind : `${target.kind}:${target.name}`)

/** Every edge once: keys that lead to the same place share one. */
function edgesOf(menu: Menu): Edge[] {
  const edges = new Map<string, Edge>()
  const add = (from: string, to: string, key: string, when: Curve['when']): void => {
    const id = `${from}>${to}>${when}`
    const known = edges.get(id) ?? { from, to, keys: [], when }
    if (key) known.keys.push(key)
    edges.set(id, known)
  }
  if (menu.start_by && Object.keys(menu.start_by).length) for (const [reason, step] of Object.entries(menu.start_by)) add('start', `step:${step}`, reason, 'reason')
  add('start', `step:${menu.start}`, '', '')
  for (const step of menu.steps) {
    for (const one of step.keys) {
      const to = idOf(one.target)
      if (to) add(`step:${step.name}`, to, one.key, one.surge ? 'surge' : '')
    }
  }
  for (const queue of menu.queues) {
    if (queue.closed) add(`queue:${queue.name}`, `step:${queue.closed}`, '', 'closed')
    if (queue.full) add(`queue:${queue.name}`, `step:${queue.full}`, '', 'full')
  }
  return [...edges.values()]
}

/** Row of each box: the longest way to it, a way back not counted. */
function rowsOf(edges: readonly Edge[]): Map<string, number> {
  const row = new Map<string, number>([['start', 0]])
  const walk = (at: string, depth: number, way: ReadonlySet<string>): void => {
    for (const edge of edges) {
      if (edge.from !== at || way.has(edge.to)) continue
      if ((row.get(edge.to) ?? -1) < depth + 1) {
        row.set(edge.to, depth + 1)
        walk(edge.to, depth + 1, new Set([...way, edge.to]))
      }
    }
  }
  walk('start', 0, new Set(['start']))
  return row
}

/** The drawing. textOf: what is said on a box besides its name. */
export function drawn(menu: Menu, textOf: (kind: Box['kind'], name: string) => string): Drawing {
  const rows = rowsOf(edgesOf(menu))
  const boxes = new Map<string, Box>()
  const drawnAs = new Map<string, string>()
  for (const [id, row] of rows) {
    const [kind, name = ''] = id.split(':') as [Box['kind'], string?]
    const twin = kind === 'callback' ? [...boxes.values()].find((box) => box.kind === kind && box.row === row) : undefined
    drawnAs.set(id, twin?.id ?? id)
    if (twin !== undefined) {
      twin.also.push(id)
      continue
    }
    const lines = wrapped(textOf(kind, name))
    boxes.set(id, { id, also: [], kind, name, lines, row, x: 0, y: 0, height: HEAD + lines.length * LINE + (lines.length ? 8 : 2) })
  }
  const edges = edgesOf(menu).map((edge) => ({ ...edge, from: drawnAs.get(edge.from) ?? edge.from, to: drawnAs.get(edge.to) ?? edge.to }))
  const list = [...boxes.values()]
  const meetingAt = (edge: Edge): number => edges.filter((one) => one.to === edge.to && !skips(one, list)).length
  const size = placed([...boxes.values()], edges)
  return { boxes: [...boxes.values()], curves: edges.flatMap((edge, n) => curveOf(edge, n, boxes, size.width, meetingAt(edge))), ...size }
}

/** Row by row from the top, each centred, boxes below what leads to them. */
function placed(boxes: Box[], edges: readonly Edge[]): { width: number; height: number } {
  const rows: Box[][] = []
  for (const box of boxes) (rows[box.row] ??= []).push(box)
  const most = Math.max(...rows.map((row) => row.length))
  // Room on the right for what passes rows by.
  const width = PAD * 2 + most * (BOX_WIDTH + GAP_X) - GAP_X + 90
  let y = PAD
  for (const row of rows) {
    const above = (box: Box): number => {
      const from = edges.filter((edge) => edge.to === box.id).map((edge) => boxes.find((one) => one.id === edge.from)).filter((one) => one !== undefined && one.row < box.row)
      return from.length ? from.reduce((sum, one) => sum + (one?.x ?? 0), 0) / from.length : 0
    }
    // What passes rows by leaves and arrives on the right.
    const passes = (box: Box): number => Number(edges.some((edge) => (edge.from === box.id || edge.to === box.id) && skips(edge, boxes)))
    const ordered = row.length > 1 ? [...row].sort((a, b) => passes(a) - passes(b) || above(a) - above(b)) : row
    const left = (width - 90 - (row.length * (BOX_WIDTH + GAP_X) - GAP_X)) / 2
    ordered.forEach((box, n) => ([box.x, box.y] = [left + n * (BOX_WIDTH + GAP_X), y]))
    y += Math.max(...row.map((box) => box.height)) + GAP_Y
  }
  return { width, height: y - GAP_Y + PAD }
}

function skips(edge: Edge, boxes: readonly Box[]): boolean {
  const rowOf = (id: string): number => boxes.find((box) => box.id === id)?.row ?? 0
  return rowOf(edge.to) - rowOf(edge.from) !== 1
}

/** From the bottom of one box to the top of another; what skips rows goes round on the right, so that it crosses no box. */
function curveOf(edge: Edge, n: number, boxes: ReadonlyMap<string, Box>, width: number, meeting: number): Curve[] {
  const [from, to] = [boxes.get(edge.from), boxes.get(edge.to)]
  if (from === undefined || to === undefined) return []
  const told = { id: `${edge.from}>${edge.to}>${edge.when}>${n}`, from: edge.from, to: edge.to, keys: edge.keys, when: edge.when }
  if (to.row - from.row === 1) {
    const [x1, y1, x2, y2] = [from.x + BOX_WIDTH / 2, from.y + from.height, to.x + BOX_WIDTH / 2, to.y]
    const mid = (y1 + y2) / 2
    // Beside the end where fewer curves meet.
    const [share, y] = meeting > 1 ? [0.22, y2 - GAP_Y * 0.62] : [0.6, y2 - GAP_Y * 0.42]
    return [{ ...told, path: `M ${x1} ${y1} C ${x1} ${mid}, ${x2} ${mid}, ${x2} ${y2}`, x: x1 + (x2 - x1) * share, y }]
  }
  const [x1, y1, x2, y2] = [from.x + BOX_WIDTH, from.y + from.height / 2, to.x + BOX_WIDTH, to.y + to.height / 2]
  const side = width - PAD - 12 - (n % 4) * 16
  const path = `M ${x1} ${y1} C ${side} ${y1}, ${side} ${y1}, ${side} ${y1 + Math.sign(y2 - y1) * 40} L ${side} ${y2 - Math.sign(y2 - y1) * 40} C ${side} ${y2}, ${side} ${y2}, ${x2} ${y2}`
  return [{ ...told, path, x: (x2 + side) / 2, y: y2 + ((n % 3) - 1) * 22 }]
}
