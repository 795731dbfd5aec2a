/** Every text a person reads, by area: `zh-CN/<area>.json`, loaded when a screen of the area is opened. */
import { createI18n } from 'vue-i18n'
import common from './zh-CN/common.json'

type Words = { [key: string]: string | Words }

const LOCALE = 'zh-CN'
const files = import.meta.glob<{ default: Words }>(['./zh-CN/*.json', '!./zh-CN/common.json'])
const loaded = new Set<string>(['common'])

export const i18n = createI18n({
  legacy: false,
  locale: LOCALE,
  messages: { [LOCALE]: { common } as Words },
  missingWarn: import.meta.env.DEV,
  warnHtmlMessage: true,
})

/** Make sure the texts of these areas are there. */
export async function loadWords(...areas: string[]): Promise<void> {
  await Promise.all(areas.filter((area) => !loaded.has(area)).map(load))
}

async function load(area: string): Promise<void> {
  const file = files[`./zh-CN/${area}.json`]
  if (file === undefined) throw new Error(`no texts for area ${area}`)
  i18n.global.mergeLocaleMessage(LOCALE, { [area]: (await file()).default })
  loaded.add(area)
}

/** A text outside components: `words('common.offline')`. */
export function words(key: string, named: Record<string, unknown> = {}): string {
  return i18n.global.t(key, named)
}
