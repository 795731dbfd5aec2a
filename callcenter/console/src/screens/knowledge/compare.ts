/** Two texts line by line: what stayed, what went, what came. PURE. */

/** A stretch of one line; changed: the other side does not have it. */
export interface Stretch {
  text: string
  changed: boolean
}

/** One row of the comparison, as two columns show it; a side that has nothing there is null. */
export interface Pair {
  before: Stretch[] | null
  after: Stretch[] | null
  same: boolean
}

/** Beyond so many comparisons everything between the common ends is taken as rewritten. */
const MOST_CELLS = 4_000_000

export function compareLines(before: readonly string[], after: readonly string[]): Pair[] {
  const head = commonHead(before, after)
  const tail = commonHead([...before.slice(head)].reverse(), [...after.slice(head)].reverse())
  const [old, fresh] = [before.slice(head, before.length - tail), after.slice(head, after.length - tail)]
  const kept = (line: string): Pair => ({ before: plain(line), after: plain(line), same: true })
  return [...before.slice(0, head).map(kept), ...middle(old, fresh), ...before.slice(before.length - tail).map(kept)]
}

function commonHead(one: readonly string[], other: readonly string[]): number {
  let n = 0
  while (n < one.length && n < other.length && one[n] === other[n]) n += 1
  return n
}

/** Lines that were removed and lines that were added in one place stand beside each other. */
function middle(old: readonly string[], fresh: readonly string[]): Pair[] {
  const pairs: Pair[] = []
  let [gone, come]: [string[], string[]] = [[], []]
  const close = (): void => {
    for (let n = 0; n < Math.max(gone.length, come.length); n += 1) pairs.push(changedPair(gone[n], come[n]))
    ;[gone, come] = [[], []]
  }
  for (const [side, line] of steps(old, fresh)) {
    if (side === 'gone') gone.push(line)
    else if (side === 'come') come.push(line)
    else {
      close()
      pairs.push({ before: plain(line), after: plain(line), same: true })
    }
  }
  close()
  return pairs
}

type Step = readonly ['gone' | 'come' | 'both', string]

/** The longest common subsequence (Myers' problem, solved by the plain table: texts here have few lines). */
function steps(old: readonly string[], fresh: readonly string[]): Step[] {
  if (old.length * fresh.length > MOST_CELLS) return [...old.map((line) => ['gone', line] as const), ...fresh.map((line) => ['come', line] as const)]
  const wide = fresh.length + 1
  const longest = new Uint32Array((old.length + 1) * wide)
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = fresh.length - 1; j >= 0; j -= 1) {
      const here = old[i] === fresh[j] ? at(longest, (i + 1) * wide + j + 1) + 1 : Math.max(at(longest, (i + 1) * wide + j), at(longest, i * wide + j + 1))
      longest[i * wide + j] = here
    }
  }
  const told: Step[] = []
  let [i, j] = [0, 0]
  while (i < old.length || j < fresh.length) {
    if (i < old.length && j < fresh.length && old[i] === fresh[j]) {
      told.push(['both', old[i] as string])
      ;[i, j] = [i + 1, j + 1]
    } else if (i < old.length && (j === fresh.length || at(longest, (i + 1) * wide + j) >= at(longest, i * wide + j + 1))) told.push(['gone', old[i++] as string])
    else told.push(['come', fresh[j++] as string])
  }
  return told
}

function at(table: Uint32Array, place: number): number {
  return table[place] ?? 0
}

function plain(text: string): Stretch[] {
  return [{ text, changed: false }]
}

/** Of a line that was rewritten, what lies between its common ends is marked. Signs of two units are not torn. */
function changedPair(old: string | undefined, fresh: string | undefined): Pair {
  if (old === undefined || fresh === undefined) return { before: whole(old), after: whole(fresh), same: false }
  const [one, other] = [[...old], [...fresh]]
  const head = commonHead(one, other)
  const tail = commonHead([...one.slice(head)].reverse(), [...other.slice(head)].reverse())
  return { before: parted(one, head, tail), after: parted(other, head, tail), same: false }
}

function whole(line: string | undefined): Stretch[] | null {
  return line === undefined ? null : [{ text: line, changed: true }]
}

function parted(line: readonly string[], head: number, tail: number): Stretch[] {
  const end = line.length - tail
  const parts = [[line.slice(0, head), false], [line.slice(head, end), true], [line.slice(end), false]] as const
  return parts.filter(([signs]) => signs.length).map(([signs, changed]) => ({ text: signs.join(''), changed }))
}
