//! Dataset versions, point-in-time joins, the online store and the prediction log.
