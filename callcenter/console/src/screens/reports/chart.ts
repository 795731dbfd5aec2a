/** Charts of figures. In a chunk of its own: ECharts is larger than the rest of the screen. */
import { BarChart, LineChart } from 'echarts/charts'
import { AriaComponent, GridComponent, LegendComponent, TooltipComponent } from 'echarts/components'
import { init, use, type EChartsType } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'

use([BarChart, LineChart, GridComponent, LegendComponent, TooltipComponent, AriaComponent, SVGRenderer])

export interface Line {
  name: string
  /** null: nothing to draw there. */
  values: (number | null)[]
}

export interface Drawing {
  kind: 'line' | 'bars' | 'columns'
  labels: string[]
  lines: Line[]
  /** After a number: `%`. */
  unit: string
  /** The end of the axis; left out: as the numbers need. */
  most?: number
}

const [LONGEST_LABEL, SHORTER_LABEL, NARROW_PX] = [12, 7, 460]
const DASHES = ['solid', 'dashed'] as const

export function draw(into: HTMLElement): EChartsType {
  return init(into, undefined, { renderer: 'svg' })
}

/** Bars lie, the first on top, where names are long; marks and patterns differ besides colours. */
export function show(chart: EChartsType, told: Drawing): void {
  const css = getComputedStyle(document.documentElement)
  const [ink, soft, line] = [css.getPropertyValue('--cc-ink'), css.getPropertyValue('--cc-soft'), css.getPropertyValue('--cc-line')]
  const colours = [css.getPropertyValue('--el-color-primary'), css.getPropertyValue('--el-color-primary-light-5')]
  const lying = told.kind === 'bars'
  const names = { type: 'category' as const, data: told.labels, inverse: lying, axisLabel: { color: soft, ...(lying ? { formatter: (name: string) => cut(name, chart.getWidth() < NARROW_PX ? SHORTER_LABEL : LONGEST_LABEL) } : { hideOverlap: true }) }, axisTick: { show: false } }
  const values = { type: 'value' as const, min: 0, ...(told.most === undefined ? {} : { max: told.most }), minInterval: told.unit === '' ? 1 : 0, axisLabel: { color: soft, hideOverlap: true, formatter: `{value}${told.unit}` }, splitLine: { lineStyle: { color: line } } }
  chart.setOption({
    animation: false,
    aria: { enabled: true, label: { enabled: false }, decal: { show: told.lines.length > 1 } },
    color: colours,
    grid: { left: 8, right: 48, top: told.lines.length > 1 ? 34 : 22, bottom: 6, containLabel: true },
    ...(told.lines.length > 1 ? { legend: { top: 0, textStyle: { color: ink } } } : {}),
    tooltip: { trigger: 'axis', renderMode: 'richText', confine: true },
    xAxis: lying ? values : names,
    yAxis: lying ? names : values,
    series: told.lines.map((one, n) => ({
      type: told.kind === 'line' ? ('line' as const) : ('bar' as const),
      name: one.name, data: one.values, barMaxWidth: 22, symbol: 'circle', symbolSize: 8, lineStyle: { type: DASHES[n % DASHES.length] },
      label: { show: told.lines.length === 1, position: lying ? ('right' as const) : ('top' as const), color: ink, formatter: `{c}${told.unit}` },
    })),
  }, { notMerge: true })
}

function cut(name: string, longest: number): string {
  const letters = [...name]
  return letters.length > longest ? `${letters.slice(0, longest - 1).join('')}…` : name
}
