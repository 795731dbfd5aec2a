/** Amounts as people read them. */
import { words } from '@/locales/words'

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB']

/** 43.9 MB */
export function bytes(count: number): string {
  let [size, unit] = [count, 0]
  while (size >= 1000 && unit < UNITS.length - 1) [size, unit] = [size / 1000, unit + 1]
  return `${size.toFixed(unit < 2 || size >= 100 ? 0 : 1)} ${UNITS[unit]}`
}

/** 12 秒, 3 分钟, 5 小时 */
export function seconds(count: number): string {
  if (count < 60) return words('admin.system.seconds', { n: Math.round(count) })
  return count < 7200 ? words('admin.system.minutes', { n: Math.round(count / 60) }) : words('admin.system.hours', { n: Math.round(count / 3600) })
}
