/**
 * What can be done to a ticket, as forms: `event` of `allowed` -> the component that asks what the command needs.
 * Each area has a file `<area>.ts` here with `export const forms`. A form gets `story` and tells `done` after it has
 * carried the command out, or `cancel`.
 */
import type { Component } from 'vue'

export type FormLoader = () => Promise<{ default: Component }>

const areas = import.meta.glob<{ forms: Record<string, FormLoader> }>(['./*.ts', '!./registry.ts'], { eager: true })

export const forms: Record<string, FormLoader> = Object.assign({}, ...Object.values(areas).map((one) => one.forms))
