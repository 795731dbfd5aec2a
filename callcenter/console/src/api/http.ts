/** The one door to the API: typed by its own OpenAPI document, problems as ApiProblem, a lost session waited out. */
import createClient, { type Middleware } from 'openapi-fetch'
import { words } from '@/locales/words'
import { hear } from '@/parts/now'
import { ApiProblem, problemOf } from './problem'
import type { components, paths } from './schema'

export type Schemas = components['schemas']

type SignInAgain = () => Promise<boolean>
let signInAgain: SignInAgain = async () => false
const OPEN_PATHS = new Set(['/api/login', '/api/me'])

/** Who asks the person to sign in again, in place; true when the same person did. */
export function whenSignedOut(ask: SignInAgain): void {
  signInAgain = ask
}

const waiting = new WeakMap<Request, Request>()

/** A request that met an ended session is sent once more after signing in again: nothing typed is lost. */
const again: Middleware = {
  onRequest({ request }) {
    waiting.set(request, request.clone())
    return undefined
  },
  async onResponse({ request, response, schemaPath }) {
    if (response.status !== 401 || OPEN_PATHS.has(schemaPath)) return undefined
    const copy = waiting.get(request)
    return copy !== undefined && (await signInAgain()) ? await fetch(copy) : undefined
  },
}

const asked = new WeakMap<Request, number>()

/** Every answer says what the server's clock shows. Heard before `again`: a person who signs in takes their time. */
const clock: Middleware = {
  onRequest({ request }) {
    asked.set(request, Date.now())
    return undefined
  },
  onResponse({ request, response }) {
    const at = asked.get(request)
    if (at !== undefined) hear(at, Date.now(), response.headers.get('Date'))
    return undefined
  },
}

export const http = createClient<paths>({ baseUrl: location.origin, credentials: 'same-origin' })
http.use(again, clock)

interface Answer<T> {
  data?: T
  error?: unknown
  response: Response
}

/** The answer's data. Throws ApiProblem; status 0 when nobody answered. */
export async function done<T>(asked: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>
  try {
    answer = await asked
  } catch {
    throw new ApiProblem(0, 'offline', words('common.offline'))
  }
  if (answer.response.ok) return answer.data as T
  throw problemOf(answer.response.status, answer.error, words('common.failed', { status: answer.response.status }))
}
