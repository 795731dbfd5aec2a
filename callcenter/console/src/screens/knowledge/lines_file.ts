/** Items as JSON Lines: a file goes in with its progress, and comes out counted. */
import { done, http, type Schemas } from '@/api/http'
import { ApiProblem, problemOf } from '@/api/problem'
import { words } from '@/locales/words'

export type Imported = Schemas['Imported']

const LINE_END = 10
const MIB = 1024 * 1024
const MOST_MIB = 64
/** As the API takes them; a larger file is refused before it is sent. */
export const MOST_BYTES = MOST_MIB * MIB

/** Send a file. fetch tells nothing of an upload's progress; XMLHttpRequest does. A session that ended is taken up. */
export async function importLines(file: File, publish: boolean, signal: AbortSignal, share: (done: number) => void): Promise<Imported> {
  const held = await read(file)
  let answer = await post(held, publish, signal, share)
  if (answer.status === 401) {
    await done(http.GET('/api/knowledge/items', { params: { query: { limit: 1 } } }))
    answer = await post(held, publish, signal, share)
  }
  if (answer.status >= 200 && answer.status < 300) return answer.response as Imported
  throw problemOf(answer.status, answer.response, words('common.failed', { status: answer.status }))
}

/** As it is now: a file that is changed while it is sent would look like a broken network. */
async function read(file: File): Promise<Blob> {
  try {
    return new Blob([await file.arrayBuffer()])
  } catch {
    throw new ApiProblem(0, 'unreadable', words('knowledge.files.unreadable'))
  }
}

function post(file: Blob, publish: boolean, signal: AbortSignal, share: (done: number) => void): Promise<XMLHttpRequest> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('POST', `/api/knowledge/import?publish=${publish}`)
    request.setRequestHeader('Content-Type', 'application/x-ndjson')
    request.responseType = 'json'
    request.upload.onprogress = (event) => share(event.lengthComputable ? event.loaded / event.total : 0)
    request.onload = () => resolve(request)
    request.onerror = () => reject(new ApiProblem(0, 'offline', words('common.offline')))
    request.onabort = () => reject(new DOMException('', 'AbortError'))
    signal.addEventListener('abort', () => request.abort())
    request.send(file)
  })
}

/** Fetch all items in use, of one unit or of all; `told` hears how many there are so far. */
export async function exportLines(unit: string, signal: AbortSignal, told: (lines: number) => void): Promise<{ blob: Blob; lines: number }> {
  const asked = { params: { query: { unit } }, parseAs: 'stream', signal }
  const answer = (await http.GET('/api/knowledge/export', asked as never)) as { data?: unknown; error?: unknown; response: Response }
  if (!answer.response.ok) throw problemOf(answer.response.status, answer.error, words('common.failed', { status: answer.response.status }))
  const reader = (answer.data as ReadableStream<Uint8Array>).getReader()
  const parts: BlobPart[] = []
  let lines = 0
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      parts.push(read.value as Uint8Array<ArrayBuffer>)
      for (const byte of read.value) if (byte === LINE_END) lines += 1
      told(lines)
    }
  } catch (error) {
    // A file that was cut off is no file: nobody would see what is missing from it.
    if ((error as Error).name === 'AbortError') throw error
    throw new ApiProblem(0, 'offline', words('common.offline'))
  }
  return { blob: new Blob(parts, { type: 'application/x-ndjson' }), lines }
}
