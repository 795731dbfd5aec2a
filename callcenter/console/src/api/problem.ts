/** What the API says when it did not do what was asked (RFC 9457), as an error with a sentence for the person. */
export class ApiProblem extends Error {
  constructor(
    /** HTTP status; 0 when there was no answer at all. */
    readonly status: number,
    /** A stable word for programs: `StaleTicket`, `not_signed_in`... */
    readonly code: string,
    /** Chinese: what is wrong and what to do. */
    readonly detail: string,
    readonly errors: readonly FieldProblem[] = [],
    /** The article behind a refusal, or ``. */
    readonly basis: string = '',
  ) {
    super(detail)
    this.name = 'ApiProblem'
  }

  /** Somebody else changed it meanwhile; nothing was saved. */
  get stale(): boolean {
    return this.status === 409 && (this.code === 'StaleTicket' || this.code.endsWith('Changed'))
  }
}

export interface FieldProblem {
  readonly field: string
  readonly message: string
}

/** The problem in an answer's body, whoever wrote it: a proxy may have answered with HTML. */
export function problemOf(status: number, body: unknown, fallback: string): ApiProblem {
  if (typeof body !== 'object' || body === null) return new ApiProblem(status, `http_${status}`, fallback)
  const told = body as Record<string, unknown>
  const text = (key: string): string => (typeof told[key] === 'string' ? (told[key] as string) : '')
  const errors = Array.isArray(told.errors) ? told.errors.map(fieldProblem) : []
  return new ApiProblem(status, text('title') || `http_${status}`, text('detail') || fallback, errors, text('basis'))
}

function fieldProblem(one: unknown): FieldProblem {
  const told = (typeof one === 'object' && one !== null ? one : {}) as Record<string, unknown>
  return { field: String(told.field ?? ''), message: String(told.problem ?? '') }
}
