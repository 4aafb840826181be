// What the server says and takes: one function a request, one type a document.

export interface User {
  key: number
  name: string
  display: string
  role: string
  may: string[]
}

export interface Session {
  version: string
  demo: boolean
  oidc: boolean
  notice: string
  user: User | null
  csrf?: string
  people?: { name: string; display: string; role: string }[]
}

export interface Row {
  key: number
  study_uid: string
  patient_id: string
  issuer: string
  name: string
  sex: string
  birth_date: string
  date: string
  time: string
  accession: string
  description: string
  modalities: string
  instances: number
  arrived: string
  state: string
  waiting: boolean
  suspicion: number | null
  uncertainty: number | null
  warnings: string[]
  deidentified: boolean
  mine: string
  studies_of_patient: number
}

export interface Worklist {
  total: number
  states: Record<string, number>
  rows: Row[]
}

/** Another study of the patient, with what its last signed report says of the bone scan index: of each image by its title. */
export type Earlier = Row & { signed_index: number | null; signed_indices: Record<string, number> }

export interface StudyDetail extends Row {
  referrer: string
  assumed: Record<string, string>
  series: { series_uid: string; modality: string; description: string; instances: number; image_types: string[]; corrections: unknown[] }[]
  others: Earlier[]
  texts: { name: string; text: string; imported: string }[]
}

export interface Place {
  sop: string
  frame: number
  rows: number
  columns: number
  spacing_mm: [number, number]
}

export interface Picture {
  number: number
  /** What marks and readings call it by. */
  image: string
  started: string | null
  title: string
  modality: string
  manner: 'planar' | 'dynamic' | 'gated' | 'projections' | 'volume' | 'refused'
  refused?: string
  unit: string
  axes: { name: string; size: number; labels: string[] }[]
  planes: number
  rows: number
  columns: number
  spacing_mm: Record<string, number>
  affine_mm: number[][]
  places: Record<string, Place>
  top: number
}

export type Point = [number, number]
export type Answer = 'yes' | 'no' | 'unsure' | ''

export interface Mark {
  id: string
  origin: 'drawn' | 'network'
  state: 'open' | 'accepted' | 'edited' | 'rejected'
  number: number | null
  finding: string
  site: string
  /** The image that it lies on; absent or empty in drafts from before it was kept: the first planar one. */
  image?: string
  view: string
  shape: 'polygon' | 'rectangle' | 'ellipse' | 'brush'
  points_px: Point[]
  comment: string
}

export interface ReadDocument {
  metastasis: Answer
  arthritis: Answer
  marks: Mark[]
  comment: string
}

export interface Read {
  key: number
  state: 'draft' | 'finished'
  version: number
  seconds: number
  round: number
  blind: boolean
  document: ReadDocument
  reader?: string
  finished: string | null
}

export interface Finding {
  number: number
  kind: string
  site: string
  view: string
  probability: number
  area_mm2: number
  max_counts: number
  outline_px: Point[]
}

export interface NetworkDocument {
  image: string
  reading: {
    refused: string
    sure: boolean
    judgements: { question: string; probability: number; answers: string[] }[]
    findings: Finding[]
    bone_scan_index_percent: number | null
    flags: string[]
  }
  views: Record<string, Place>
  maps: Record<string, string>
}

/** What an answer of the network rests on: spots, by how much its log-odds fall when each is covered. */
export interface Explanation {
  question: string
  probability: number
  places: { region: string; views: string[]; log_odds: number; without: number | null }[]
  maps: Record<string, string>
}

export interface Network {
  made: string | null
  bundle?: string
  bundle_sha256?: string
  documents: NetworkDocument[]
  waiting: boolean
}

export interface Vocabulary {
  findings: { name: string; code: string; meaning: string }[]
  sites: { name: string; code: string }[]
}

export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

let csrf = ''

export function setCsrf(token: string | undefined) {
  csrf = token ?? ''
}

async function ask(method: string, path: string, body?: unknown, keepalive = false): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json' }
  if (body !== undefined) headers['content-type'] = 'application/json'
  if (method !== 'GET') headers['x-csrf-token'] = csrf
  let answer: Response
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), keepalive })
  } catch {
    throw new Refused(0, 'The server does not answer. What you type is kept here and saved when it does.')
  }
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({ detail: answer.statusText }))
    if (answer.status === 401 && !path.endsWith('/session')) window.dispatchEvent(new Event('signed-out'))
    throw new Refused(answer.status, String(said.detail ?? answer.statusText))
  }
  return answer
}

export async function get<T>(path: string): Promise<T> {
  return (await ask('GET', path)).json()
}

export async function send<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown, keepalive = false): Promise<T> {
  return (await ask(method, path, body ?? (method === 'DELETE' ? undefined : {}), keepalive)).json()
}

/** Values of one plane or of a whole volume, as the server sends them. */
export async function numbers(path: string): Promise<{ values: Uint16Array | Float32Array; rows: number; columns: number }> {
  const answer = await ask('GET', path)
  const data = await answer.arrayBuffer()
  const values = answer.headers.get('x-number-type') === 'uint16' ? new Uint16Array(data) : new Float32Array(data)
  return { values, rows: Number(answer.headers.get('x-rows') ?? 0), columns: Number(answer.headers.get('x-columns') ?? 0) }
}
