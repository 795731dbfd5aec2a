/** Moments in fields of a form. People write Chinese local time; China has one zone and no summer time. */
const OFFSET = '+08:00'
const OFFSET_MS = 8 * 3_600_000

/** For `<input type="datetime-local">`: 2026-11-23T10:15. */
export function toField(at: Date): string {
  return new Date(at.getTime() + OFFSET_MS).toISOString().slice(0, 16)
}

/** What the API takes, or undefined for an empty or broken field. */
export function fromField(text: string): string | undefined {
  const at = new Date(`${text}:00${OFFSET}`)
  return text && !Number.isNaN(at.getTime()) ? at.toISOString() : undefined
}
