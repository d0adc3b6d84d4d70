// OpenHub's SDK for rules in JavaScript: rows in, effects out. It hides the columns that cross the boundary.
//
// `openhub plugin build` puts it into `.openhub`, with `openhub.js` beside it, which is what a plugin imports. Nothing here
// needs a hub, so that a plugin's functions can be tested in Node.js, too.

/** This row fails: its effects are dropped, the other rows stand. `code` is stable and in kebab-case. */
export class RowFault extends Error {
  constructor(code, message = code, args = {}) {
    super(message);
    this.name = "RowFault";
    this.code = code;
    this.args = args;
  }
}

/** A decimal number with a fixed scale, kept as a whole number of its smallest unit: 29.33 is 2933 of scale 2. */
export class Decimal {
  constructor(units, scale) {
    if (!Number.isSafeInteger(units)) throw new RangeError(`${units} is not a whole number that JavaScript has exactly`);
    if (!Number.isInteger(scale) || scale < 0) throw new RangeError(`${scale} is not a scale`);
    this.units = units;
    this.scale = scale;
  }

  /** Reads a text such as "29.33" exactly. Its digits after the point are its scale, if none is given. */
  static parse(text, scale) {
    const parts = /^(-?)(\d*)(?:\.(\d*))?$/.exec(text);
    if (!parts || !(parts[2] || parts[3])) throw new RangeError(`"${text}" is not a decimal number`);
    const fraction = parts[3] ?? "";
    const given = new Decimal(Number(`${parts[1]}${parts[2]}${fraction}`) + 0, fraction.length);
    return scale === undefined ? given : given.at(scale);
  }

  /** The same number with another scale; refused if digits would be lost. */
  at(scale) {
    if (scale >= this.scale) return new Decimal(this.units * 10 ** (scale - this.scale), scale);
    const less = this.units / 10 ** (this.scale - scale);
    if (!Number.isInteger(less)) throw new RangeError(`${this} has more than ${scale} digits after the point`);
    return new Decimal(less, scale);
  }

  /** Without its fraction, towards zero. */
  whole() {
    const one = 10 ** this.scale;
    return (this.units - (this.units % one)) / one + 0;
  }

  plus(other) {
    const scale = Math.max(this.scale, other.scale);
    return new Decimal(this.at(scale).units + other.at(scale).units, scale);
  }

  minus(other) {
    const scale = Math.max(this.scale, other.scale);
    return new Decimal(this.at(scale).units - other.at(scale).units, scale);
  }

  /** Less than zero, zero or more than zero, as a sort wants it. */
  compare(other) {
    return this.minus(other).units;
  }

  toString() {
    const digits = String(Math.abs(this.units)).padStart(this.scale + 1, "0");
    const sign = this.units < 0 ? "-" : "";
    const point = digits.length - this.scale;
    return this.scale === 0 ? `${sign}${digits}` : `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
  }
}

/** A moment, in microseconds since 1970. */
export class Timestamp {
  constructor(micros) {
    if (!Number.isSafeInteger(micros)) throw new RangeError(`${micros} is not a whole number of microseconds`);
    this.micros = micros;
  }

  static parse(text) {
    return Timestamp.of(new Date(text));
  }

  static of(date) {
    return new Timestamp(date.getTime() * 1000);
  }

  plusSeconds(seconds) {
    return new Timestamp(this.micros + Math.round(seconds * 1_000_000));
  }

  /** As JavaScript has it, to the millisecond. */
  toDate() {
    return new Date(Math.floor(this.micros / 1000));
  }

  toString() {
    return this.toDate().toISOString();
  }
}

/** An event that a rule causes, of the row's customer. `openhub.js` has a class for each event that `plugin.toml` declares. */
export class CausedEvent {
  constructor(event, fields) {
    this.event = event;
    this.fields = fields;
  }
}

// A rule has no randomness: what it draws would depend on who else is in the call, and a replay would not draw the same again. Until
// a rule runs, modules are loaded, which may draw what they like.
let runs = false;
const draw = Math.random;
Math.random = () => {
  if (runs) throw new Error("a rule has no randomness: read `row.seed`, and make a number of it");
  return draw();
};

const printed = (level) => (message) => console[level](message);
let write = undefined;
const line = (level) => (message, fields = {}) =>
  write ? write(level, String(message), JSON.stringify(fields)) : printed(level)(message);

/** Lines for whoever runs the plugin; no personal data belongs here. */
export const log = { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };

/** What the component exports: each declared rule, as a function of a batch. `functions` is the plugin's own module. */
export function rules(shapes, functions, host) {
  write = host.write;
  const all = new Map();
  for (const shape of shapes) {
    const apply = functions[shape.function];
    if (typeof apply !== "function") {
      throw new Error(`plugin.js has no function for the rule \`${shape.name}\`: write \`export function ${shape.function}(row) { … }\``);
    }
    all.set(shape.name, { shape: prepared(shape), apply });
  }
  return {
    evaluate(name, batch) {
      const rule = all.get(name);
      if (!rule) throw reason("unknown-name", `this plugin has no rule \`${name}\``);
      return evaluate(rule, batch);
    },
  };
}

/** What does not change from call to call is made once, when the component is. */
function prepared(shape) {
  return { ...shape, eventNumbers: new Map(shape.events.map((event, number) => [event.name, number])) };
}

function evaluate({ shape, apply }, batch) {
  runs = true;
  const params = parameters(shape.params, batch.params);
  const rows = records(shape.reads, shape.lists, batch.rows, batch.columns, batch.tables[Symbol.iterator]());
  const effects = new Effects(shape);
  const faults = [];
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index];
    try {
      if (row instanceof RowFault) throw row;
      effects.add(index, apply(row, params));
    } catch (thrown) {
      if (!(thrown instanceof RowFault)) broken(shape.name, thrown);
      faults.push({ row: index, reason: reason(thrown.code, thrown.message, thrown.args) });
    }
  }
  return { ...effects.finished(), objects: [], faults };
}

/** Anything else that is thrown ends the call, as it is a fault of the code: the log says what it was. */
function broken(name, thrown) {
  const stack = thrown instanceof Error && thrown.stack ? `\n${thrown.stack.trimEnd()}` : "";
  log.error(`the rule \`${name}\` threw ${thrown}${stack}`);
  throw thrown;
}

function reason(code, message, args = {}) {
  return { code: String(code), message: String(message), args: Object.entries(args).map(([name, value]) => [name, String(value)]) };
}

function parameters(fields, columns) {
  const params = {};
  fields.forEach((field, index) => {
    const [value] = values(field, columns[index], 1);
    if (value instanceof RowFault) throw reason("malformed-params", value.message);
    params[field.name] = value ?? (field.default === null ? null : READERS[field.kind](field.default, field));
  });
  return Object.freeze(params);
}

/** One object for each entry, or the fault of an entry that cannot be one. Lists of single values have their tables first. */
function records(reads, lists, count, columns, tables) {
  let at = 0;
  const all = reads.map((read) => (read.list ? undefined : values(read, columns[at++], count)));
  reads.forEach((read, index) => {
    if (!read.list) return;
    const { ends, columns } = tables.next().value;
    all[index] = parts(values(read, columns[0], ends.at(-1) ?? 0), ends);
  });
  for (const list of lists) {
    const { ends, columns } = tables.next().value;
    all.push(parts(records(list.reads, list.lists, ends.at(-1) ?? 0, columns, tables), ends));
  }
  const names = [...reads, ...lists].map((field) => field.name);
  const entries = new Array(count);
  for (let entry = 0; entry < count; entry++) {
    const record = {};
    let fault = undefined;
    for (let field = 0; field < names.length; field++) {
      const value = all[field][entry];
      record[names[field]] = value;
      if (value instanceof RowFault) fault = value;
    }
    entries[entry] = fault ?? record;
  }
  return entries;
}

/** The elements of each entry; an entry whose element is faulty is that fault. */
function parts(elements, ends) {
  let start = 0;
  return Array.from(ends, (end) => {
    const part = elements.slice(start, end);
    start = end;
    return part.find((element) => element instanceof RowFault) ?? part;
  });
}

/** A value for each entry of a column: null where there is none, a fault where it is not of its type. */
function values(field, column, count) {
  const raw = column.values.tag === "texts" ? column.values.val.split("\0") : column.values.val;
  const read = READERS[field.kind];
  const { absent } = column;
  const all = new Array(count);
  for (let entry = 0, next = 0; entry < count; entry++) {
    if (next < absent.length && absent[next] === entry) {
      next++;
      all[entry] = field.required ? malformed(field) : null;
    } else {
      all[entry] = read(raw[entry], field);
    }
  }
  return all;
}

function malformed(field) {
  return new RowFault("malformed-read", `\`${field.name}\` is missing, or is not one of its declared values`);
}

/** JavaScript has whole numbers exactly up to 2^53. A seed is only drawn from, so its last digits do not matter. */
function whole(raw, field) {
  const number = Number(raw);
  if (Number.isSafeInteger(number) || field.seed) return number;
  return new RowFault("too-large", `\`${field.name}\` is larger than ${Number.MAX_SAFE_INTEGER}, which JavaScript does not have exactly`);
}

function wholeAs(make) {
  return (raw, field) => {
    const number = whole(raw, field);
    return number instanceof RowFault ? number : make(number, field);
  };
}

const READERS = {
  boolean: (raw) => raw !== 0,
  integer: whole,
  number: (raw) => raw,
  timestamp: wholeAs((micros) => new Timestamp(micros)),
  decimal: wholeAs((units, field) => new Decimal(units, field.scale)),
  text: (raw) => raw,
  enum: (raw, field) => (field.values.includes(raw) ? raw : malformed(field)),
};

const WRITERS = {
  boolean: (value) => (typeof value === "boolean" ? Number(value) : undefined),
  integer: (value) => (Number.isSafeInteger(value) ? value : undefined),
  number: (value) => (typeof value === "number" ? value : undefined),
  timestamp: (value) => (value instanceof Date ? Timestamp.of(value).micros : value instanceof Timestamp ? value.micros : undefined),
  decimal: (value, field) => {
    if (value instanceof Decimal) return value.at(field.scale).units;
    if (typeof value === "string") return Decimal.parse(value, field.scale).units;
    return Number.isSafeInteger(value) ? new Decimal(value, 0).at(field.scale).units : undefined;
  },
  text: (value) => (typeof value === "string" && !value.includes("\0") ? value : undefined),
  enum: (value, field) => (field.values.includes(value) ? value : undefined),
};

/** As it crosses the boundary. */
function raw(field, value) {
  const written = WRITERS[field.kind](value, field);
  if (written !== undefined) return written;
  const wanted = field.kind === "enum" ? `one of ${field.values.join(", ")}` : `of the type ${field.kind}`;
  throw new TypeError(`\`${field.name}\` must be ${wanted}, not ${typeof value === "string" ? `"${value}"` : value}`);
}

const EMPTY = { boolean: 0, integer: 0, number: 0, timestamp: 0, decimal: 0, text: "", enum: "" };
const TAGS = {
  boolean: "booleans",
  integer: "integers",
  number: "numbers",
  timestamp: "integers",
  decimal: "integers",
  text: "texts",
  enum: "texts",
};

function columnOf(field, values) {
  const tag = TAGS[field.kind];
  if (tag === "texts") return { tag, val: values.length > 0 ? `${values.join("\0")}\0` : "" };
  return { tag, val: tag === "booleans" ? Uint8Array.from(values) : values };
}

/** What the rows of a call do, gathered by what is written. */
class Effects {
  constructor(shape) {
    this.shape = shape;
    this.writes = shape.writes.map(() => ({ rows: [], ends: [], values: [], unset: [] }));
    this.events = shape.events.map((event) => ({ rows: [], columns: event.fields.map(() => ({ values: [], absent: [] })) }));
  }

  /** Nothing is kept of a row that fails: all of it is looked at before any of it is put down. */
  add(row, effects) {
    if (effects === undefined || effects === null) return;
    if (typeof effects !== "object" || typeof effects.then === "function") {
      throw new TypeError("a rule returns an object with its writes, or nothing; it cannot be an async function");
    }
    const { writes } = this.shape;
    const { events } = effects;
    const written = [];
    let known = events === undefined && !("events" in effects) ? 0 : 1;
    for (let target = 0; target < writes.length; target++) {
      const { name } = writes[target];
      const value = effects[name];
      if (value !== undefined || name in effects) known++;
      written.push(value === undefined || value === null ? value : crossing(writes[target], value));
    }
    if (Object.keys(effects).length > known) this.refuseStrangers(effects);
    const caused = [];
    if (events) for (let index = 0; index < events.length; index++) caused.push(this.caused(events[index]));
    for (let target = 0; target < writes.length; target++) {
      const value = written[target];
      if (value !== undefined) this.write(row, target, value);
    }
    for (let index = 0; index < caused.length; index++) {
      const { number, cells } = caused[index];
      const { rows, columns } = this.events[number];
      for (let field = 0; field < cells.length; field++) {
        const column = columns[field];
        const cell = cells[field];
        if (cell === undefined) column.absent.push(rows.length);
        column.values.push(cell ?? EMPTY[this.shape.events[number].fields[field].kind]);
      }
      rows.push(row);
    }
  }

  refuseStrangers(effects) {
    const known = [...this.shape.writes.map((write) => write.name), "events"];
    const stranger = Object.keys(effects).find((name) => !known.includes(name));
    if (stranger !== undefined) throw new TypeError(`the rule does not write \`${stranger}\`; there are: ${known.join(", ")}`);
  }

  write(row, target, value) {
    const sink = this.writes[target];
    const shape = this.shape.writes[target];
    if (value === null) {
      if (!shape.counter) sink.unset.push(row);
    } else if (shape.list) {
      sink.rows.push(row);
      sink.values.push(...value);
      sink.ends.push(sink.values.length);
    } else if (!shape.counter || value !== 0) {
      sink.rows.push(row);
      sink.values.push(value);
    }
  }

  /** The number of the event, and its fields as they cross the boundary; undefined for one that is not there. */
  caused(event) {
    const number = event instanceof CausedEvent ? this.shape.eventNumbers.get(event.event) : undefined;
    if (number === undefined) {
      const names = this.shape.events.map((shape) => shape.class).join(", ") || "none";
      throw new TypeError(`\`events\` has something that is no event of this rule; there are: ${names}`);
    }
    const { fields, name } = this.shape.events[number];
    const given = event.fields;
    const cells = [];
    let known = 0;
    for (let index = 0; index < fields.length; index++) {
      const field = fields[index];
      const value = given[field.name];
      if (value !== undefined || field.name in given) known++;
      if (value !== undefined && value !== null) cells.push(raw(field, value));
      else if (field.required) throw new TypeError(`the event "${name}" needs \`${field.name}\``);
      else cells.push(undefined);
    }
    if (Object.keys(given).length > known) {
      const stranger = Object.keys(given).find((name) => !fields.some((field) => field.name === name));
      if (stranger !== undefined) throw new TypeError(`the event "${name}" has no field \`${stranger}\``);
    }
    return { number, cells };
  }

  finished() {
    const { shape } = this;
    const writes = this.writes.map(({ rows, ends, values, unset }, target) => {
      return { target, rows, ends, values: columnOf(shape.writes[target], values), unset };
    });
    const events = this.events.map(({ rows, columns }, event) => {
      const of = (index) => shape.events[event].fields[index];
      return { event, rows, to: [], columns: columns.map(({ values, absent }, index) => ({ values: columnOf(of(index), values), absent })) };
    });
    return {
      writes: writes.filter(({ rows, unset }) => rows.length + unset.length > 0),
      events: events.filter(({ rows }) => rows.length > 0),
    };
  }
}

function crossing(field, value) {
  if (!field.list) return raw(field, value);
  if (!Array.isArray(value)) throw new TypeError(`\`${field.name}\` must be an array`);
  return value.map((element) => raw(field, element));
}
