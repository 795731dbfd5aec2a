/** The day's calls hour by hour as a chart. In a chunk of its own: ECharts is larger than the rest of the screen. */
import { BarChart, LineChart } from 'echarts/charts'
import { AriaComponent, GridComponent, LegendComponent, TooltipComponent } from 'echarts/components'
import { init, use, type EChartsType } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'

use([BarChart, LineChart, GridComponent, LegendComponent, TooltipComponent, AriaComponent, SVGRenderer])

export interface Series {
  hours: string[]
  offered: number[]
  answered: number[]
  abandoned: number[]
  /** Percent, null where nothing was offered. */
  level: (number | null)[]
  names: { offered: string; answered: string; abandoned: string; level: string }
}

export function draw(into: HTMLElement): EChartsType {
  return init(into, undefined, { renderer: 'svg' })
}

/** Bars differ by pattern as well, and the line by its marks: colour is not the only sign. */
export function show(chart: EChartsType, told: Series): void {
  chart.setOption({
    animation: false,
    aria: { enabled: true, decal: { show: true } },
    color: ['#8fafd4', '#1f5fa8', '#b3261e', '#8a5300'],
    grid: { left: 40, right: 44, top: 40, bottom: 24 },
    legend: { top: 0, textStyle: { color: '#1c2530' } },
    tooltip: { trigger: 'axis', renderMode: 'richText' },
    xAxis: { type: 'category', data: told.hours, axisLabel: { color: '#5b6472' } },
    yAxis: [
      { type: 'value', minInterval: 1, axisLabel: { color: '#5b6472' } },
      { type: 'value', min: 0, max: 100, axisLabel: { formatter: '{value}%', color: '#5b6472' }, splitLine: { show: false } },
    ],
    series: [
      { type: 'bar', name: told.names.offered, data: told.offered, barGap: 0 },
      { type: 'bar', name: told.names.answered, data: told.answered },
      { type: 'bar', name: told.names.abandoned, data: told.abandoned },
      { type: 'line', name: told.names.level, data: told.level, yAxisIndex: 1, symbol: 'diamond', symbolSize: 9, lineStyle: { type: 'dashed' } },
    ],
  })
}
