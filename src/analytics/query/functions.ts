/**
 * What a statement may call. Only what works on its arguments alone, in time and space that follow from their size: nothing that knows the
 * server, its files, its settings, other tables or the network, waits, takes a type or a function by name in a string, reads the inside of
 * aggregates' states, or whose work is the product of two sizes (distances of texts, folds). A new version of ClickHouse adds nothing here by itself.
 */

const PLAIN = `
plus minus multiply divide divideOrNull intDiv intDivOrZero intDivOrNull modulo moduloOrZero moduloOrNull positiveModulo negate abs gcd lcm max2 min2 avg2
divideDecimal multiplyDecimal isFinite isInfinite isNaN ifNotFinite
equals notEquals less lessOrEquals greater greaterOrEquals isDistinctFrom isNotDistinctFrom
and or not xor if multiIf greatest least clamp
assumeNotNull coalesce ifNull isNotNull isNull isZeroOrNull nullIf toNullable firstNonDefault
acos acosh asin asinh atan atan2 atanh cbrt cos cosh degrees e erf erfc exp exp10 exp2 hypot lgamma log log10 log1p log2 pi pow radians sigmoid sign sin
sinh sqrt tan tanh tgamma widthBucket
ceil floor round roundBankers roundDown roundToExp2 trunc
bitAnd bitCount bitNot bitOr bitShiftLeft bitShiftRight bitTest bitXor
toInt8 toInt16 toInt32 toInt64 toInt128 toInt256 toUInt8 toUInt16 toUInt32 toUInt64 toUInt128 toUInt256 toFloat32 toFloat64
toInt8OrNull toInt16OrNull toInt32OrNull toInt64OrNull toInt128OrNull toInt256OrNull toUInt8OrNull toUInt16OrNull toUInt32OrNull toUInt64OrNull
toUInt128OrNull toUInt256OrNull toFloat32OrNull toFloat64OrNull
toInt8OrZero toInt16OrZero toInt32OrZero toInt64OrZero toInt128OrZero toInt256OrZero toUInt8OrZero toUInt16OrZero toUInt32OrZero toUInt64OrZero
toUInt128OrZero toUInt256OrZero toFloat32OrZero toFloat64OrZero
toDecimal32 toDecimal64 toDecimal128 toDecimal256 toDecimal32OrNull toDecimal64OrNull toDecimal128OrNull toDecimal256OrNull
toDecimal32OrZero toDecimal64OrZero toDecimal128OrZero toDecimal256OrZero toDecimalString toBool toString toFixedString toTypeName
toDate toDate32 toDateTime toDateTime32 toDateTime64 toDateOrNull toDate32OrNull toDateTimeOrNull toDateTime64OrNull toDateOrZero toDate32OrZero
toDateTimeOrZero toDateTime64OrZero toLowCardinality toUUID toUUIDOrNull toUUIDOrZero
toIntervalSecond toIntervalMinute toIntervalHour toIntervalDay toIntervalWeek toIntervalMonth toIntervalQuarter toIntervalYear toIntervalMillisecond
fromUnixTimestamp fromUnixTimestamp64Milli fromUnixTimestamp64Second toUnixTimestamp toUnixTimestamp64Milli toUnixTimestamp64Second
parseDateTime parseDateTimeOrNull parseDateTimeOrZero parseDateTimeBestEffort parseDateTimeBestEffortOrNull parseDateTimeBestEffortOrZero
parseDateTime64BestEffort parseDateTime64BestEffortOrNull parseDateTime64BestEffortOrZero
addDate subDate addSeconds addMilliseconds addMinutes addHours addDays addWeeks addMonths addQuarters addYears
subtractSeconds subtractMilliseconds subtractMinutes subtractHours subtractDays subtractWeeks subtractMonths subtractQuarters subtractYears
age dateDiff dateName dateTrunc formatDateTime makeDate makeDate32 makeDateTime makeDateTime64 monthName now now64 today yesterday timeDiff timeSlot
timezoneOf timezoneOffset toTimezone toDayOfMonth toDayOfWeek toDayOfYear toDaysInMonth toHour toMinute toSecond toMillisecond toISOWeek toISOYear
toLastDayOfMonth toLastDayOfWeek toMonday toMonth toQuarter toRelativeDayNum toRelativeHourNum toRelativeMinuteNum toRelativeMonthNum
toRelativeQuarterNum toRelativeSecondNum toRelativeWeekNum toRelativeYearNum toStartOfDay toStartOfFifteenMinutes toStartOfFiveMinutes toStartOfHour
toStartOfISOYear toStartOfInterval toStartOfMillisecond toStartOfMinute toStartOfMonth toStartOfQuarter toStartOfSecond toStartOfTenMinutes toStartOfWeek
toStartOfYear toWeek toYYYYMM toYYYYMMDD toYYYYMMDDhhmmss toYear toYearWeek toUTCTimestamp fromUTCTimestamp changeYear changeMonth changeDay changeHour
changeMinute changeSecond
empty notEmpty length lengthUTF8 lower lowerUTF8 upper upperUTF8 reverse reverseUTF8 concat concatWithSeparator substring substringUTF8 substringIndex
substringIndexUTF8 left leftUTF8 right rightUTF8 leftPad leftPadUTF8 rightPad rightPadUTF8 repeat space trimBoth trimLeft trimRight startsWith
startsWithUTF8 endsWith endsWithUTF8 startsWithCaseInsensitive endsWithCaseInsensitive initcap initcapUTF8 ascii char hex unhex bin base64Encode
base64Decode tryBase64Decode isValidUTF8 toValidUTF8 format translate translateUTF8 firstLine
position positionCaseInsensitive positionUTF8 positionCaseInsensitiveUTF8 locate countSubstrings countSubstringsCaseInsensitive like ilike notLike notILike
match extract extractAll extractGroups countMatches regexpExtract replaceOne replaceAll replaceRegexpOne replaceRegexpAll regexpQuoteMeta
hasToken hasTokenCaseInsensitive multiSearchAny multiSearchAnyCaseInsensitive multiSearchFirstIndex
splitByChar splitByString splitByWhitespace splitByNonAlpha alphaTokens arrayStringConcat
array arrayAll arrayAvg arrayCompact arrayConcat arrayCount arrayCumSum arrayDifference arrayDistinct arrayElement arrayElementOrNull arrayEnumerate
arrayExists arrayFill arrayFilter arrayFirst arrayFirstIndex arrayFirstOrNull arrayFlatten arrayIntersect arrayJoin arrayLast arrayLastIndex arrayLastOrNull
arrayMap arrayMax arrayMin arrayPopBack arrayPopFront arrayProduct arrayPushBack arrayPushFront arrayResize arrayReverse arrayReverseSort arrayRotateLeft
arrayRotateRight arraySlice arraySort arraySplit arraySum arrayUniq arrayWithConstant arrayZip countEqual has hasAll hasAny indexOf range
tuple tupleElement flattenTuple tupleConcat
map mapAdd mapSubtract mapContainsKey mapFilter mapApply mapFromArrays mapKeys mapValues mapSort mapReverseSort mapConcat mapExists mapAll mapUpdate
JSONExtractArrayRaw JSONExtractBool JSONExtractFloat JSONExtractInt JSONExtractKeys JSONExtractKeysAndValuesRaw JSONExtractRaw JSONExtractString
JSONExtractUInt JSONHas JSONKey JSONLength JSONType JSONArrayLength isValidJSON toJSONString JSON_VALUE JSON_EXISTS JSON_QUERY
simpleJSONExtractBool simpleJSONExtractFloat simpleJSONExtractInt simpleJSONExtractRaw simpleJSONExtractString simpleJSONExtractUInt simpleJSONHas
cityHash64 sipHash64 xxHash64 MD5 SHA1 SHA256 CRC32 murmurHash3_64 farmFingerprint64
bar formatReadableSize formatReadableQuantity formatReadableTimeDelta formatReadableDecimalSize ignore identity materialize transform isConstant
rand rand64 randUniform randNormal generateUUIDv4 byteSize tumble tumbleStart tumbleEnd hop hopStart hopEnd
financialNetPresentValue financialInternalRateOfReturn grouping
`;

const AGGREGATES = `
any anyHeavy anyLast any_respect_nulls anyLast_respect_nulls argMax argMin avg avgWeighted approx_top_k approx_top_sum boundingRatio corr corrStable count
covarPop covarPopStable covarSamp covarSampStable deltaSum deltaSumTimestamp entropy exponentialMovingAverage exponentialTimeDecayedAvg
exponentialTimeDecayedCount exponentialTimeDecayedMax exponentialTimeDecayedSum groupArray groupArrayLast groupArrayMovingAvg groupArrayMovingSum
groupArraySample groupArraySorted groupBitAnd groupBitOr groupBitXor groupConcat groupUniqArray histogram intervalLengthSum kurtPop kurtSamp
max maxMappedArrays min minMappedArrays quantile quantileDD quantileDeterministic quantileExact quantileExactExclusive quantileExactHigh
quantileExactInclusive quantileExactLow quantileExactWeighted quantileInterpolatedWeighted quantileTDigest quantileTDigestWeighted quantileTiming quantiles
quantilesExact quantilesExactExclusive quantilesExactHigh quantilesExactInclusive quantilesExactLow quantilesExactWeighted quantilesTDigest quantilesTiming
rankCorr retention simpleLinearRegression singleValueOrNull skewPop skewSamp sparkbar stddevPop stddevPopStable stddevSamp stddevSampStable studentTTest
sum sumCount sumKahan sumMappedArrays sumWithOverflow topK topKWeighted uniq uniqCombined uniqCombined64 uniqExact uniqHLL12 uniqUpTo varPop varPopStable
varSamp varSampStable welchTTest windowFunnel mannWhitneyUTest
row_number rank denseRank percentRank cume_dist ntile nth_value lag lagInFrame lead leadInFrame nonNegativeDerivative
`;

/** What may stand behind an aggregate's name. `-State`, `-Merge` and what else shows states is left out. */
const COMBINATORS = ['If', 'Array', 'Distinct', 'OrNull', 'OrDefault', 'ForEach', 'Map', 'ArgMin', 'ArgMax'];

/** Other names of the above, those of SQL's other dialects among them. */
const ALIASES = `
ceiling:ceil truncate:trunc ln:log power:pow mod:modulo substr:substring mid:substring lcase:lower ucase:upper trim:trimBoth ltrim:trimLeft rtrim:trimRight
replace:replaceAll concat_ws:concatWithSeparator lpad:leftPad rpad:rightPad instr:positionCaseInsensitive char_length:lengthUTF8 character_length:lengthUTF8
year:toYear quarter:toQuarter month:toMonth week:toWeek day:toDayOfMonth dayofmonth:toDayOfMonth dayofweek:toDayOfWeek dayofyear:toDayOfYear hour:toHour
minute:toMinute second:toSecond last_day:toLastDayOfMonth date:toDate date_trunc:dateTrunc date_diff:dateDiff timestampdiff:dateDiff
date_format:formatDateTime from_unixtime:fromUnixTimestamp curdate:today current_date:today current_timestamp:now time_bucket:toStartOfInterval
date_bin:toStartOfInterval to_base64:base64Encode from_base64:base64Decode array_to_string:arrayStringConcat flatten:arrayFlatten unnest:arrayJoin
cardinality:length json_array_length:JSONArrayLength
std:stddevPop stddev:stddevSamp stddev_pop:stddevPop stddev_samp:stddevSamp var_pop:varPop var_samp:varSamp covar_pop:covarPop covar_samp:covarSamp
any_value:any first_value:any last_value:anyLast array_agg:groupArray group_concat:groupConcat string_agg:groupConcat max_by:argMax min_by:argMin
median:quantile medianExact:quantileExact medianTDigest:quantileTDigest approx_top_count:approx_top_k dense_rank:denseRank percent_rank:percentRank
bit_and:groupBitAnd bit_or:groupBitOr bit_xor:groupBitXor
`;

const words = (text: string) => text.trim().split(/\s+/);

export const PLAIN_FUNCTIONS: readonly string[] = words(PLAIN);
export const AGGREGATE_FUNCTIONS: readonly string[] = words(AGGREGATES);

const plain = new Map(PLAIN_FUNCTIONS.map((name) => [name.toLowerCase(), name]));
const aggregates = new Map(AGGREGATE_FUNCTIONS.map((name) => [name.toLowerCase(), name]));
const aliases = new Map(
  words(ALIASES).map((pair) => {
    const [alias, name] = pair.split(':') as [string, string];
    return [alias.toLowerCase(), name] as const;
  }),
);

export interface KnownFunction {
  /** As ClickHouse spells it. */
  readonly name: string;
  readonly isAggregate: boolean;
}

/** The function of a name in any case, or undefined where it may not be called. */
export function findFunction(written: string): KnownFunction | undefined {
  const name = aliases.get(written.toLowerCase()) ?? written;
  const key = name.toLowerCase();
  const aggregate = aggregates.get(key);
  if (aggregate !== undefined) return { name: aggregate, isAggregate: true };
  const found = plain.get(key);
  if (found !== undefined) return { name: found, isAggregate: false };
  return findCombined(name);
}

function findCombined(name: string): KnownFunction | undefined {
  let rest = name;
  let suffix = '';
  // At most three of them: sumArrayIfOrNull.
  for (let i = 0; i < 3; i++) {
    const combinator = COMBINATORS.find((one) => rest.toLowerCase().endsWith(one.toLowerCase()));
    if (combinator === undefined) return undefined;
    rest = rest.slice(0, -combinator.length);
    suffix = combinator + suffix;
    const base = aliases.get(rest.toLowerCase()) ?? rest;
    const aggregate = aggregates.get(base.toLowerCase());
    if (aggregate !== undefined) return { name: aggregate + suffix, isAggregate: true };
  }
  return undefined;
}

/** Functions whose first argument of several is a function. */
const HIGHER_ORDER = new Set(
  words(`
    arrayAll arrayAvg arrayCompact arrayCount arrayCumSum arrayDifference arrayExists arrayFill arrayFilter arrayFirst arrayFirstIndex arrayFirstOrNull
    arrayLast arrayLastIndex arrayLastOrNull arrayMap arrayMax arrayMin arrayProduct arrayReverseSort arraySort arraySplit arraySum
    mapAll mapApply mapExists mapFilter mapReverseSort mapSort
  `),
);

/** Whether the first of several arguments has to be a lambda: ClickHouse takes the bare name of any function there, `file` among them. */
export function takesLambda(name: string): boolean {
  return HIGHER_ORDER.has(name);
}

/** Types that a cast may name, by their lower-case names. */
const TYPES = new Map(
  words(`
    Int8 Int16 Int32 Int64 Int128 Int256 UInt8 UInt16 UInt32 UInt64 UInt128 UInt256 Float32 Float64 Decimal Decimal32 Decimal64 Decimal128 Decimal256 Bool
    String FixedString Date Date32 DateTime DateTime64 UUID Nullable Array Tuple Map LowCardinality
  `).map((name) => [name.toLowerCase(), name]),
);
const TYPE_ALIASES = new Map(
  Object.entries({
    int: 'Int32',
    integer: 'Int32',
    bigint: 'Int64',
    smallint: 'Int16',
    tinyint: 'Int8',
    float: 'Float32',
    double: 'Float64',
    text: 'String',
    varchar: 'String',
    char: 'String',
    boolean: 'Bool',
    timestamp: 'DateTime',
    numeric: 'Decimal',
  }),
);

/** The type of a name in any case, or undefined where no cast may name it. */
export function findType(written: string): string | undefined {
  const key = written.toLowerCase();
  return TYPES.get(key) ?? TYPE_ALIASES.get(key);
}

/** Units of INTERVAL and EXTRACT: what makes the interval, and what takes the part. */
export const UNITS: ReadonlyMap<string, { readonly interval: string; readonly part: string }> = new Map(
  (
    [
      ['second', 'toSecond'],
      ['minute', 'toMinute'],
      ['hour', 'toHour'],
      ['day', 'toDayOfMonth'],
      ['week', 'toISOWeek'],
      ['month', 'toMonth'],
      ['quarter', 'toQuarter'],
      ['year', 'toYear'],
    ] as const
  ).flatMap(([unit, part]) => {
    const known = { interval: `toInterval${unit[0]!.toUpperCase()}${unit.slice(1)}`, part };
    return [
      [unit, known],
      [`${unit}s`, known],
    ] as const;
  }),
);
