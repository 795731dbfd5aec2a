/** What one version says, as the API gives it. */
import type { Schemas } from '@/api/http'

export type Version = Schemas['VersionOut']
export type Story = Schemas['ItemStory']

export interface Contents {
  template: string
  text: string
  questions: { question: string; answer: string }[]
  examples: { case: string; outcome: string }[]
  pictures: { reference: string; caption: string; sha256: string }[]
  part: Record<string, string | boolean> | null
}

export function contentsOf(version: Version): Contents {
  const told = version.contents as Partial<Contents>
  return {
    template: version.template, text: told.text ?? '', questions: told.questions ?? [], examples: told.examples ?? [],
    pictures: told.pictures ?? [], part: told.part ?? null,
  }
}

/** The newest version: what is written now, or waits for the review. */
export function newestOf(story: Story): Version {
  return story.versions.find((one) => one.number === story.version) ?? story.shown
}
