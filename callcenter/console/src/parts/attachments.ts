/** Files of one ticket, shared by every place of a page that shows them: read once, given with progress, taken back. */
import { onScopeDispose, reactive, shallowRef, type ShallowRef } from 'vue'
import { done, http, type Schemas } from '@/api/http'
import { ApiProblem, problemOf } from '@/api/problem'
import { words } from '@/locales/words'

export type Attachment = Schemas['AttachmentRow']
export type AttachmentList = Schemas['AttachmentList']
export type Purpose = Attachment['purpose']

/** A file on its way. share: 0 to 1. */
export interface Sending {
  readonly key: number
  readonly name: string
  share: number
  problem: ApiProblem | null
  again?: () => void
  stop: () => void
}

interface Shelf {
  list: ShallowRef<AttachmentList | null>
  problem: ShallowRef<ApiProblem | null>
  sending: Sending[]
  users: number
}

const shelves = new Map<string, Shelf>()
let keys = 0

export function useAttachments(ticket: string) {
  const shelf = shelfOf(ticket)
  shelf.users += 1
  onScopeDispose(() => {
    shelf.users -= 1
    if (shelf.users === 0 && !shelf.sending.length) shelves.delete(ticket)
  })

  async function reload(): Promise<void> {
    try {
      shelf.list.value = await done(http.GET('/api/tickets/{ticket_id}/attachments', { params: { path: { ticket_id: ticket } } }))
      shelf.problem.value = null
    } catch (error) {
      shelf.problem.value = error as ApiProblem
    }
  }

  /** Give one file; null when it was refused or stopped, with the reason in `sending`. */
  async function give(file: File, purpose: Purpose): Promise<Attachment | null> {
    const most = shelf.list.value?.most_bytes ?? Infinity
    const one = begin(shelf, file.name)
    if (file.size > most) {
      one.problem = new ApiProblem(413, 'too_large', words('attachments.too_large', { name: file.name, most: sizeOf(most) }))
      return null
    }
    try {
      const added = await send(ticket, file, purpose, one)
      drop(shelf, one)
      await reload()
      return added
    } catch (error) {
      if (error instanceof Stopped) drop(shelf, one)
      else one.problem = error as ApiProblem
      return null
    }
  }

  async function remove(row: Attachment): Promise<void> {
    await done(http.POST('/api/attachments/{attachment_id}/remove', { params: { path: { attachment_id: row.id } } }))
    await reload()
  }

  if (shelf.list.value === null) void reload()
  return { list: shelf.list, problem: shelf.problem, sending: shelf.sending, reload, give, remove, drop: (one: Sending) => drop(shelf, one) }
}

function shelfOf(ticket: string): Shelf {
  let known = shelves.get(ticket)
  if (known === undefined) {
    known = { list: shallowRef(null), problem: shallowRef(null), sending: reactive([]), users: 0 }
    shelves.set(ticket, known)
  }
  return known
}

function begin(shelf: Shelf, name: string): Sending {
  const one: Sending = reactive({ key: (keys += 1), name, share: 0, problem: null, stop: () => undefined })
  shelf.sending.push(one)
  return one
}

function drop(shelf: Shelf, one: Sending): void {
  const at = shelf.sending.findIndex((other) => other.key === one.key)
  if (at >= 0) shelf.sending.splice(at, 1)
}

class Stopped extends Error {}

/** fetch tells nothing of an upload's progress; XMLHttpRequest does. A session that ended is taken up and sent again. */
async function send(ticket: string, file: File, purpose: Purpose, one: Sending): Promise<Attachment> {
  const answer = await post(ticket, file, purpose, one)
  if (answer.status === 401) {
    await done(http.GET('/api/tickets/{ticket_id}/attachments', { params: { path: { ticket_id: ticket } } }))
    return read(await post(ticket, file, purpose, one))
  }
  return read(answer)
}

function post(ticket: string, file: File, purpose: Purpose, one: Sending): Promise<XMLHttpRequest> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    const form = new FormData()
    form.append('file', file, file.name)
    request.open('POST', `/api/tickets/${encodeURIComponent(ticket)}/attachments?purpose=${purpose}&size=${file.size}`)
    request.responseType = 'json'
    request.upload.onprogress = (event) => (one.share = event.lengthComputable ? event.loaded / event.total : 0)
    request.onload = () => resolve(request)
    request.onerror = () => reject(new ApiProblem(0, 'offline', words('common.offline')))
    request.onabort = () => reject(new Stopped())
    one.stop = () => request.abort()
    request.send(form)
  })
}

function read(answer: XMLHttpRequest): Attachment {
  if (answer.status >= 200 && answer.status < 300) return answer.response as Attachment
  throw problemOf(answer.status, answer.response, words('common.failed', { status: answer.status }))
}

/** 1.2 MB, 340 KB. */
export function sizeOf(bytes: number): string {
  if (bytes >= 1024 * 1024) return `${(bytes / 1024 / 1024).toFixed(bytes % (1024 * 1024) ? 1 : 0)} MB`
  return `${Math.max(1, Math.round(bytes / 1024))} KB`
}

/** Where the original is downloaded from; every reading is on record. */
export function addressOf(row: Attachment): string {
  return `/api/attachments/${row.id}`
}

/** The file as a picture of the page, for browsers that can draw it; the caller revokes the address. */
export async function pictureOf(row: Attachment): Promise<string> {
  const answer = await fetch(addressOf(row), { credentials: 'same-origin' }).catch(() => null)
  if (answer === null) throw new ApiProblem(0, 'offline', words('common.offline'))
  if (!answer.ok) throw problemOf(answer.status, await answer.json().catch(() => null), words('common.failed', { status: answer.status }))
  return URL.createObjectURL(await answer.blob())
}

