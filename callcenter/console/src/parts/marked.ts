/** A server's snippet, escaped with found words between <em> and </em>, as pieces of text: never as HTML. */
export interface Piece {
  text: string
  found: boolean
}

const ENTITIES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#x27;': "'", '&#39;': "'" }

export function piecesOf(escaped: string): Piece[] {
  return escaped
    .split(/(<em>[\s\S]*?<\/em>)/)
    .filter(Boolean)
    .map((part) => {
      const found = part.startsWith('<em>')
      const inner = found ? part.slice(4, -5) : part
      return { text: inner.replace(/&(?:amp|lt|gt|quot|#x27|#39);/g, (entity) => ENTITIES[entity] ?? entity), found }
    })
}
