/** A name for one request, so that a repeat of it does nothing: browsers give random ids on secure pages only. */
export function requestKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return [...bytes].map((one) => one.toString(16).padStart(2, '0')).join('')
}
