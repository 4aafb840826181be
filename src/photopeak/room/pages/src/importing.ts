// Files from elsewhere on their way to studies: what each is, what it says, and what became of it.

import { type Picture, type Row, type User, Refused, get, send } from './api'
import { namesOf } from './words'

export interface Item {
  id: number
  name: string
  kind: 'report' | 'marks' | 'neither'
  text: string
  /** What a person should know of it before it is taken in. */
  note: string
  /** Whether it marks nothing of a kind, which may mean two things. */
  silent: boolean
  /** The file that LabelMe drew on. */
  drawnOn: string
  study: number | null
  why: string
  candidates: number[]
  /** The images of its study, where there are several and it is not known which was drawn on. */
  images: { image: string; name: string }[]
  image: string
  state: 'open' | 'busy' | 'done' | 'failed'
  result: string
}

export type Unmarked = '' | 'no' | 'not asked'
const MOST_NAMES = 200
const LARGEST = 8 * 2 ** 20
let counter = 0

/** What a dropped file is, by what it holds. */
export async function itemOf(file: File): Promise<Item> {
  const item: Item = { id: ++counter, name: file.name, kind: 'neither', text: '', note: '', silent: false, drawnOn: '', study: null, why: '', candidates: [], images: [], image: '', state: 'open', result: '' }
  if (!/\.(txt|json)$/i.test(file.name)) return { ...item, note: 'neither a text report (.txt) nor a LabelMe file (.json)' }
  if (file.size > LARGEST) return { ...item, note: 'larger than 8 MiB' }
  const { text, legacy } = decoded(await file.arrayBuffer())
  if (/\.txt$/i.test(file.name)) {
    const first = text.trim().split('\n')[0]?.slice(0, 90) ?? ''
    return { ...item, kind: 'report', text, note: legacy ? `not UTF-8, taken for Windows-1252: “${first}”` : first }
  }
  try {
    const said = JSON.parse(text) as { shapes?: { label?: string }[]; imagePath?: string }
    const labels = (said.shapes ?? []).map((s) => String(s.label ?? ''))
    const of = (letter: string) => labels.filter((l) => l.split(' ')[0] === letter).length
    return { ...item, kind: 'marks', text, silent: !of('M') || !of('A'), drawnOn: String(said.imagePath ?? '').slice(0, 256), note: `${of('M')} metastasis, ${of('A')} arthritis` }
  } catch {
    return { ...item, note: 'no JSON file' }
  }
}

function decoded(data: ArrayBuffer): { text: string; legacy: boolean } {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(data), legacy: false }
  } catch {
    return { text: new TextDecoder('windows-1252').decode(data), legacy: true }
  }
}

/** Ask which study each file belongs to; what its name does not say plainly stays open. */
export async function matched(items: Item[]): Promise<{ items: Item[]; studies: Row[] }> {
  const out: Item[] = []
  const studies: Row[] = []
  for (let i = 0; i < items.length; i += MOST_NAMES) {
    const some = items.slice(i, i + MOST_NAMES)
    const files = some.map((x) => ({ name: x.name.slice(0, 256), drawn_on: x.drawnOn }))
    const said = await send<{ files: { study: number | null; why: string; candidates: number[] }[]; studies: Row[] }>('POST', '/api/imports/match', { files })
    out.push(...some.map((x, k) => ({ ...x, ...said.files[k]! })))
    studies.push(...said.studies)
  }
  return { items: out, studies }
}

/** Why this file cannot be taken in as things stand; "" where it can. */
export function hindrance(item: Item, user: User, unmarked: Unmarked): string {
  if (item.kind === 'neither') return item.note
  if (item.kind === 'report' && !user.may.includes('store')) return 'your role adds no reports'
  if (item.kind === 'marks' && !user.may.includes('read')) return 'a read is its reader’s own: the reader imports it'
  if (item.study === null) return 'choose its study'
  if (item.images.length > 1 && !item.image) return 'choose the image that it was drawn on'
  if (item.silent && !unmarked) return 'say above what it means that a kind is not marked'
  return ''
}

/** Take one file in, and say what became of it. */
export async function take(item: Item, unmarked: Unmarked, cohort: number): Promise<Partial<Item>> {
  try {
    if (item.kind === 'report') {
      await send('POST', `/api/studies/${item.study}/texts`, { name: item.name.slice(0, 256), text: item.text })
      return { state: 'done', result: 'kept with the study' }
    }
    const form = { name: item.name.slice(0, 256), base64: base64(item.text), unmarked: unmarked || null, image: item.image }
    const said = await send<{ marks: number; state: string; metastasis: string; arthritis: string }>('POST', `/api/studies/${item.study}/labelme${cohort ? `?cohort=${cohort}` : ''}`, form)
    const answers = `metastasis ${said.metastasis || 'open'}, arthritis ${said.arthritis || 'open'}`
    return { state: 'done', result: `${said.state === 'draft' ? 'a draft' : 'a finished read'}: ${answers}, ${said.marks} marks` }
  } catch (e) {
    const images = (e as Refused).status === 422 && item.kind === 'marks' && !item.image ? await imagesOf(item.study!) : []
    if (images.length > 1) return { state: 'open', images, result: '' }
    return { state: 'failed', result: (e as Error).message }
  }
}

async function imagesOf(study: number): Promise<Item['images']> {
  const { pictures } = await get<{ pictures: Picture[] }>(`/api/studies/${study}/pictures`)
  const planar = pictures.filter((p) => p.manner === 'planar')
  const names = namesOf(planar)
  return planar.map((p, i) => ({ image: p.image, name: names[i]! }))
}

function base64(text: string): string {
  let bytes = ''
  for (const b of new TextEncoder().encode(text)) bytes += String.fromCharCode(b)
  return btoa(bytes)
}
