/**
 * What the first look at a JSON value tells: its token. Encoder and schema rules share these
 * numbers; they are plain constants because they stand in the hottest loops. A token says how the
 * value is spelled, not what it is worth: {@link ./value_kind.ts} does that.
 */

/** The literal `null`. */
export const TOKEN_NULL = 0;
/** The literal `true`. */
export const TOKEN_TRUE = 1;
/** The literal `false`. */
export const TOKEN_FALSE = 2;
/** A string without a backslash: its bytes are its text. */
export const TOKEN_STRING = 3;
/** A string with at least one escape. */
export const TOKEN_ESCAPED_STRING = 4;
/** A number of digits only, perhaps with a minus sign. */
export const TOKEN_INTEGER = 5;
/** A number with a decimal point or an exponent. */
export const TOKEN_FRACTION = 6;
/** An object or array that needs no second look. */
export const TOKEN_STRUCTURE = 7;
/**
 * An object or array that holds a `\u` escape, an exponent, or more bytes than PostgreSQL's numeric
 * has fraction digits: text or numbers in it may be more than PostgreSQL can hold.
 */
export const TOKEN_SUSPECT_STRUCTURE = 8;
