/** A whole list as a file: the address of the list with another Accept; rows are counted as they come. */
import { http } from '@/api/http'
import { ApiProblem, problemOf } from '@/api/problem'
import { words } from '@/locales/words'

export interface ListAddress {
  /** As in the API: `/api/tickets`. */
  path: string
  /** The filters the list is shown with; cursors and page size are left out by the server. */
  query?: Record<string, unknown>
  params?: Record<string, string | number>
}

export type FileKind = 'csv' | 'xlsx'

const TYPES: Record<FileKind, string> = {
  csv: 'text/csv',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
}
const [LINE_END, QUOTE] = [10, 34]
/** Lines of a CSV that are no rows: the heads, an empty one, and who took it. */
const OTHER_LINES = 3

/** What was fetched. full: as many rows as a file may have, so that there may be more. */
export interface ListFile {
  blob: Blob
  name: string
  rows: number
  full: boolean
}

/** Fetch it whole; `told` hears how many rows there are so far. Throws ApiProblem; AbortError when it is called off. */
export async function fetchList(of: ListAddress, kind: FileKind, signal: AbortSignal, told: (rows: number) => void): Promise<ListFile> {
  const asked = { params: { path: of.params ?? {}, query: given(of.query) }, headers: { Accept: TYPES[kind] }, parseAs: 'stream', signal }
  const answer = await http.GET(of.path as '/api/tickets', asked as never)
  const { response } = answer as { response: Response }
  if (!response.ok) throw problemOf(response.status, (answer as { error?: unknown }).error, words('common.failed', { status: response.status }))
  const { data } = answer as unknown as { data: ReadableStream<Uint8Array> }
  const { parts, lines } = await drained(data, kind, told)
  const rows = kind === 'csv' ? lines - OTHER_LINES : Number(response.headers.get('X-List-Rows'))
  const most = Number(response.headers.get('X-List-Most'))
  return { blob: new Blob(parts, { type: TYPES[kind] }), name: nameOf(response) || `list.${kind}`, rows, full: rows >= most }
}

/** Hand a fetched file to the person. */
export function keepFile(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = address
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(address), 60_000)
}

/** The file name in a Content-Disposition (RFC 6266), or ``. */
export function nameOf(response: Response): string {
  const told = response.headers.get('Content-Disposition') ?? ''
  const coded = /filename\*=UTF-8''([^;]+)/i.exec(told)?.[1]
  return coded ? decodeURIComponent(coded) : (/filename="([^"]+)"/i.exec(told)?.[1] ?? '')
}

function given(query: Record<string, unknown> = {}): Record<string, unknown> {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== ''))
}

async function drained(stream: ReadableStream<Uint8Array>, kind: FileKind, told: (rows: number) => void) {
  const parts: BlobPart[] = []
  let lines = 0
  let quoted = false
  const reader = stream.getReader()
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      parts.push(read.value as Uint8Array<ArrayBuffer>)
      if (kind === 'csv') {
        for (const byte of read.value) {
          if (byte === QUOTE) quoted = !quoted
          else if (byte === LINE_END && !quoted) lines++
        }
        told(Math.max(0, lines - 1))
      }
    }
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error
    throw new ApiProblem(0, 'offline', words('common.offline'))
  }
  return { parts, lines }
}
